import { describe, expect, it } from 'vitest';
import { BareHarts, RAM_BASE } from '../../test/support/bare-hart.ts';
import { INTERRUPT } from '../contracts/hart.ts';

const HANDLER = RAM_BASE + 0x1000;

/** A machine that watches one kind and stage, and stops there. */
function stoppingAt(watch: string, program: string): { machine: BareHarts; labels: Record<string, bigint> } {
  const machine = new BareHarts();
  machine.place('addi a3, a3, 1\n here:\n jal zero, here', HANDLER);
  const labels = machine.start(program);
  machine.hart.writeCsr(0x305, BigInt(HANDLER));
  machine.watched.add(watch);
  machine.stops.add(watch);
  return { machine, labels };
}

describe('exits', () => {
  it('are counted whether or not anyone watches, and described only when watched', () => {
    const machine = new BareHarts();
    machine.place('here:\n jal zero, here', HANDLER);
    machine.start('csrrw zero, satp, zero\n sfence.vma zero, zero\n csrrs zero, mscratch, zero\n ecall');
    machine.hart.writeCsr(0x305, BigInt(HANDLER));
    machine.hart.run(4);
    expect(Object.fromEntries(machine.counts)).toEqual({ csr: 1, 'tlb-flush': 2, trap: 1 });
    expect(machine.reports).toEqual([]);
  });

  it('stop before a CSR write, and execute it once on resumption', () => {
    const { machine, labels } = stoppingAt(
      'csr:pre',
      'addi a0, a0, 1\n at:\n csrrwi zero, mie, 8\n addi a0, a0, 1',
    );
    const { hart } = machine;
    expect(hart.run(10)).toBe('exit-stop');
    expect(hart.getPc()).toBe(labels['at']);
    expect(hart.readCsr(0x304)).toBe(0n);
    expect(machine.reports.map(({ exit }) => exit)).toEqual([
      { kind: 'csr', csr: 'mie', number: 0x304, write: true, old: 0n, value: 8n },
    ]);
    expect(hart.run(10)).toBe('exit-stop'); // without resumption it stops again
    expect(hart.run(2, true)).toBe('budget');
    expect(hart.readCsr(0x304)).toBe(8n);
    expect(hart.getX(10)).toBe(2n);
    expect(hart.steps).toBe(3);
    expect(machine.counts.get('csr')).toBe(1);
  });

  it('stop after a CSR write, behind the instruction', () => {
    const { machine, labels } = stoppingAt('csr:post', 'csrrwi zero, mie, 8\n next:\n addi a0, a0, 1');
    expect(machine.hart.run(10)).toBe('exit-stop');
    expect(machine.hart.getPc()).toBe(labels['next']);
    expect(machine.hart.readCsr(0x304)).toBe(8n);
    expect(machine.hart.steps).toBe(1);
  });

  it('stop before and after an exception', () => {
    const before = stoppingAt('trap:pre', 'addi a0, a0, 1\n at:\n ecall');
    expect(before.machine.hart.run(10)).toBe('exit-stop');
    expect(before.machine.hart.getPc()).toBe(before.labels['at']);
    expect(before.machine.hart.steps).toBe(1);
    expect(before.machine.reports[0]!.exit).toMatchObject({
      kind: 'trap',
      cause: 11,
      interrupt: false,
      name: 'environment call from M-mode',
      from: 'M',
      to: 'M',
    });
    expect(before.machine.hart.run(2, true)).toBe('budget');
    expect(before.machine.hart.getX(13)).toBe(1n);
    expect(before.machine.hart.steps).toBe(3);
    expect(before.machine.counts.get('trap')).toBe(1);

    const after = stoppingAt('trap:post', '.word 0');
    expect(after.machine.hart.run(10)).toBe('exit-stop');
    expect(after.machine.hart.getPc()).toBe(BigInt(HANDLER));
    expect(after.machine.hart.steps).toBe(1);
  });

  it('stop at an ebreak, which traps on resumption, before it or on the way', () => {
    const before = stoppingAt('debug:pre', 'addi a0, a0, 1\n at:\n ebreak');
    expect(before.machine.hart.run(10)).toBe('exit-stop');
    expect(before.machine.hart.getPc()).toBe(before.labels['at']);
    expect(before.machine.hart.steps).toBe(1);
    const exit = { kind: 'debug', event: 'breakpoint', address: before.labels['at'] };
    expect(before.machine.reports.map((report) => report.exit)).toEqual([exit]);
    expect(before.machine.hart.run(2, true)).toBe('budget');
    expect(before.machine.hart.readCsr(0x342)).toBe(3n);
    expect(before.machine.hart.getX(13)).toBe(1n);
    expect(Object.fromEntries(before.machine.counts)).toEqual({ debug: 1, trap: 1 });

    const after = stoppingAt('debug:post', 'c.ebreak');
    expect(after.machine.hart.run(10)).toBe('exit-stop');
    expect(after.machine.hart.getPc()).toBe(BigInt(HANDLER));
    expect(after.machine.hart.steps).toBe(1);
  });

  it('stop before an interrupt, which comes on resumption', () => {
    const { machine, labels } = stoppingAt('trap:pre', 'at:\n addi a0, a0, 1');
    const { hart } = machine;
    hart.writeCsr(0x304, 8n);
    hart.writeCsr(0x300, 8n);
    hart.setInterrupt(INTERRUPT.MSIP, true);
    expect(hart.run(10)).toBe('exit-stop');
    expect(hart.getPc()).toBe(labels['at']);
    hart.run(1, true);
    expect(hart.getX(10)).toBe(0n);
    expect(hart.getX(13)).toBe(1n);
    expect(machine.counts.get('trap')).toBe(1);
  });

  it('of one instruction each happen once, though one of them stops it', () => {
    const { machine } = stoppingAt('trap:pre', 'lui a1, 16\n ld a0, 0(a1)');
    machine.watched.add('page-fault:pre');
    machine.watched.add('page-fault:post');
    expect(machine.hart.run(10)).toBe('exit-stop');
    expect(machine.hart.run(2, true)).toBe('budget');
    expect(machine.counts.get('page-fault')).toBe(1);
    expect(machine.counts.get('trap')).toBe(1);
    expect(machine.reports.filter(({ stage }) => stage === 'pre').map(({ exit }) => exit.kind)).toEqual([
      'page-fault',
      'trap',
    ]);
    expect(machine.reports[0]!.exit).toEqual({
      kind: 'page-fault',
      address: 0x1_0000n,
      reason: 'outside-ram',
      write: false,
    });
  });

  it('stop at fences and waits', () => {
    const fence = stoppingAt('tlb-flush:pre', 'addi a1, zero, 64\n sfence.vma a1, a2');
    expect(fence.machine.hart.run(5)).toBe('exit-stop');
    expect(fence.machine.reports[0]!.exit).toEqual({
      kind: 'tlb-flush',
      fence: 'sfence.vma',
      address: 64n,
      asid: 0,
    });
    const wait = stoppingAt('wfi:post', 'wfi');
    expect(wait.machine.hart.run(5)).toBe('exit-stop');
    expect(wait.machine.hart.steps).toBe(1);
    expect(wait.machine.reports[0]!.exit).toEqual({ kind: 'wfi', until: null });
  });

  it('end a run when a port asks for it, after the instruction', () => {
    const machine = new BareHarts();
    const { next } = machine.start('lui a1, 0x10000\n sw a0, 0(a1)\n next:\n addi a0, a0, 1');
    machine.onDeviceWrite = () => {
      expect(machine.hart.steps).toBe(1);
      machine.hart.requestYield();
    };
    expect(machine.hart.run(10)).toBe('yield');
    expect(machine.hart.getPc()).toBe(next);
    expect(machine.hart.steps).toBe(2);
  });
});
