import { describe, expect, it } from 'vitest';
import { BareHarts, DEVICE, RAM_BASE } from '../../test/support/bare-hart.ts';

const HANDLER = RAM_BASE + 0x1000;
const RAM_SIZE = 1 << 20;
const RAM_END = RAM_BASE + RAM_SIZE;
const NAPOT = 0x18n;
const TOR = 0x08n;
const RWX = 7n;
const LOCKED = 0x80n;

/** Executes one instruction in M-mode with t0 (x5) as given; the exception that came, if one did. */
function once(
  instruction: string,
  t0: number,
  prepare: (machine: BareHarts) => void = () => {},
): { cause: bigint; tval: bigint } | undefined {
  const machine = new BareHarts({ ramSize: RAM_SIZE });
  machine.place('here:\n jal zero, here', HANDLER);
  machine.start(instruction);
  const { hart } = machine;
  hart.writeCsr(0x305, BigInt(HANDLER));
  hart.setX(5, BigInt(t0));
  hart.setX(11, 0x1122_3344_5566_7788n);
  prepare(machine);
  hart.run(1);
  if (hart.getPc() !== BigInt(HANDLER)) return undefined;
  return { cause: hart.readCsr(0x342)!, tval: hart.readCsr(0x343)! };
}

// Privileged, "Machine Trap Value (mtval) Register": the address of the portion of the access that faulted.
describe('tval of a misaligned access', () => {
  it('is where RAM ends, when the access begins within it', () => {
    const tval = BigInt(RAM_END);
    expect(once('ld a0, 0(t0)', RAM_END - 3)).toEqual({ cause: 5n, tval });
    expect(once('lh a0, 0(t0)', RAM_END - 1)).toEqual({ cause: 5n, tval });
    expect(once('sd a1, 0(t0)', RAM_END - 5)).toEqual({ cause: 7n, tval });
    expect(once('fsd fa1, 0(t0)', RAM_END - 5, on)).toEqual({ cause: 7n, tval });
  });

  it('is its own address, when it begins outside RAM', () => {
    expect(once('lw a0, 0(t0)', RAM_END + 1)).toEqual({ cause: 5n, tval: BigInt(RAM_END + 1) });
    expect(once('ld a0, 0(t0)', RAM_BASE - 3)).toEqual({ cause: 5n, tval: BigInt(RAM_BASE - 3) });
    expect(once('sw a1, 0(t0)', DEVICE + 2)).toEqual({ cause: 7n, tval: BigInt(DEVICE + 2) });
  });

  it('is the page that protection closes, and nothing was written before it', () => {
    const boundary = RAM_BASE + 0x5000;
    const close = ({ hart }: BareHarts): void => {
      // 4 KiB at the boundary without permissions, locked so that M-mode is bound too.
      hart.writeCsr(0x3b0, BigInt(boundary >>> 2) | 0x1ffn);
      hart.writeCsr(0x3a0, LOCKED | NAPOT);
    };
    expect(once('ld a0, 0(t0)', boundary - 4, close)).toEqual({ cause: 5n, tval: BigInt(boundary) });
    let kept: BareHarts | undefined;
    const outcome = once('sd a1, 0(t0)', boundary - 4, (machine) => {
      kept = machine;
      close(machine);
    });
    expect(outcome).toEqual({ cause: 7n, tval: BigInt(boundary) });
    expect(kept!.read64(boundary - 8)).toBe(0n);
    expect(once('ld a0, 0(t0)', boundary + 0x1000 - 4, close)).toEqual({
      cause: 5n,
      tval: BigInt(boundary + 0x1000 - 4),
    });
  });

  it('is the access itself, where a boundary of protection divides it within a page', () => {
    // "Priority and Matching Logic": an entry that matches some bytes but not all fails the access.
    const boundary = RAM_BASE + 0x5804;
    const divide = ({ hart }: BareHarts): void => {
      hart.writeCsr(0x3b0, BigInt(boundary >>> 2));
      hart.writeCsr(0x3b1, 0x3f_ffff_ffff_ffffn);
      hart.writeCsr(0x3a0, LOCKED | TOR | RWX | ((LOCKED | NAPOT | RWX) << 8n));
    };
    expect(once('ld a0, 0(t0)', boundary - 4, divide)).toEqual({ cause: 5n, tval: BigInt(boundary - 4) });
    expect(once('sw a0, 0(t0)', boundary - 2, divide)).toEqual({ cause: 7n, tval: BigInt(boundary - 2) });
    expect(once('lw a0, 0(t0)', boundary - 4, divide)).toBeUndefined();
    expect(once('ld a0, 0(t0)', boundary + 4, divide)).toBeUndefined();
  });
});

// Unprivileged, "Zalrsc" and "Zaamo": addresses must be aligned, with a reservation or without one.
describe('misaligned atomics', () => {
  it.each([
    ['lr.w a0, (t0)', 2, 4n],
    ['lr.d a0, (t0)', 4, 4n],
    ['sc.w a0, a1, (t0)', 2, 6n],
    ['sc.d a0, a1, (t0)', 4, 6n],
    ['amoswap.w a0, a1, (t0)', 1, 6n],
    ['amomaxu.d a0, a1, (t0)', 4, 6n],
  ])('%s at an offset of %i', (instruction, offset, cause) => {
    const address = RAM_BASE + 0x5000 + offset;
    expect(once(instruction, address)).toEqual({ cause, tval: BigInt(address) });
  });

  it('raise with a reservation in force too, and keep memory', () => {
    const machine = new BareHarts();
    machine.place('here:\n jal zero, here', HANDLER);
    machine.start('lr.d a0, (t0)\n sc.w a0, a1, (t1)');
    const { hart } = machine;
    hart.writeCsr(0x305, BigInt(HANDLER));
    hart.setX(5, BigInt(RAM_BASE + 0x5000));
    hart.setX(6, BigInt(RAM_BASE + 0x5002));
    hart.setX(11, 99n);
    hart.run(2);
    expect(hart.readCsr(0x342)).toBe(6n);
    expect(machine.read64(RAM_BASE + 0x5000)).toBe(0n);
  });
});

function on({ hart }: BareHarts): void {
  hart.writeCsr(0x300, 1n << 13n);
}
