import { assert } from '../../vmm/base/assert.ts';
import type { ExitSink } from '../../vmm/contracts/exits.ts';
import type { BusResult, Hart, HartGroup, HartPorts, PrivilegeLevel } from '../../vmm/contracts/hart.ts';
import type { GuestMemory } from '../../vmm/contracts/memory.ts';
import { createGuestMemory, createHartGroup, type TranslatorOption } from '../../vmm/hart/index.ts';
import { highHalf, joinHalves, lowHalf } from '../../vmm/hart/state.ts';
import { assemble } from '../../vmm/isa/assemble.ts';
import type { IsaConfig } from '../../vmm/isa/extensions.ts';
import type { ExitKind, ExitStage, VmExit } from '../../vmm/protocol/exits.ts';

export const RAM_BASE = 0x8000_0000;
/** A device register: reads give its value and increment it, writes are kept in `deviceWrites`. */
export const DEVICE = 0x1000_0000;
/** Virtual time of these tests: a tick of mtime every ten steps. */
export const STEPS_PER_TICK = 10;

export interface ReportedExit {
  readonly stage: ExitStage;
  readonly exit: VmExit;
}

/** Harts with RAM, one device register and nothing else, to run hand-assembled programs on. */
export class BareHarts {
  readonly memory: GuestMemory;
  readonly group: HartGroup;
  readonly deviceWrites: bigint[] = [];
  deviceValue = 0n;
  readonly counts = new Map<ExitKind, number>();
  readonly reports: ReportedExit[] = [];
  /** Kinds and stages that are watched, such as `csr:pre`. */
  readonly watched = new Set<string>();
  /** Watched ones that stop. */
  readonly stops = new Set<string>();
  /** Called when the device is written. */
  onDeviceWrite: (hart: number) => void = () => {};
  /** What reads of the device come to; with anything but `ok` it is as if they had not been. */
  readResult: BusResult = 'ok';
  onSbiCall: ((hart: number) => 'done' | 'stop') | undefined;
  tohostCalls = 0;
  /** Handler times of the reports, in their order. */
  readonly handlerTimes: number[] = [];

  constructor(
    options: {
      harts?: number;
      ramSize?: number;
      isa?: IsaConfig;
      sbi?: boolean;
      nowNs?: () => number;
      translator?: TranslatorOption;
    } = {},
  ) {
    this.memory = createGuestMemory({
      ramBase: RAM_BASE,
      ramSize: options.ramSize ?? 1 << 20,
      harts: options.harts ?? 1,
    });
    const ports: HartPorts = {
      bus: this.#bus(),
      exits: this.#sink(),
      time: (hart) => BigInt(Math.floor(this.group.harts[hart]!.steps / STEPS_PER_TICK)),
      stepsAt: (_hart, ticks) => Number(ticks) * STEPS_PER_TICK,
      tohost: () => {
        this.tohostCalls++;
      },
      ...(options.nowNs === undefined ? {} : { nowNs: options.nowNs }),
      ...(options.sbi === true ? { sbiCall: (hart: number) => this.onSbiCall!(hart) } : {}),
    };
    this.group = createHartGroup({
      memory: this.memory,
      ports,
      ...(options.isa ? { isa: options.isa } : {}),
      ...(options.translator ? { translator: options.translator } : {}),
    });
  }

  get hart(): Hart {
    return this.group.harts[0]!;
  }

  /** Assembles a program to `address` and starts hart 0 there; gives the labels' addresses. */
  start(lines: string, privilege: PrivilegeLevel = 3, address = RAM_BASE): Record<string, bigint> {
    const labels = this.place(lines, address);
    this.hart.reset({ pc: BigInt(address), privilege, a0: 0n, a1: 0n });
    return labels;
  }

  /** Assembles a program to `address` of RAM. */
  place(lines: string, address: number): Record<string, bigint> {
    const program = assembleProgram(lines, BigInt(address));
    this.memory.ram.set(program.code, address - RAM_BASE);
    this.group.codeChanged(address, program.code.length);
    return program.labels;
  }

  /** Runs hart 0 step by step until pc is at the address. */
  runTo(address: bigint | undefined): void {
    for (let steps = 0; this.hart.getPc() !== address; steps++) {
      assert(steps < 10_000, 'the address is reached');
      this.hart.run(1);
    }
  }

  read64(address: number): bigint {
    return this.#view().getBigUint64(address - RAM_BASE, true);
  }

  write64(address: number, value: bigint): void {
    this.#view().setBigUint64(address - RAM_BASE, BigInt.asUintN(64, value), true);
    this.group.codeChanged(address, 8);
  }

  #view(): DataView {
    return new DataView(this.memory.ram.buffer, this.memory.ram.byteOffset, this.memory.ram.byteLength);
  }

  #bus(): HartPorts['bus'] {
    const machine = this;
    return {
      get low() {
        return lowHalf(machine.deviceValue - 1n);
      },
      get high() {
        return highHalf(machine.deviceValue - 1n);
      },
      read(_hart, address): BusResult {
        if (address !== DEVICE) return 'fault';
        if (machine.readResult === 'ok') machine.deviceValue++;
        return machine.readResult;
      },
      write(hart, address, size, low, high): BusResult {
        if (address !== DEVICE) return 'fault';
        machine.deviceWrites.push(BigInt.asUintN(8 * size, joinHalves(low, high)));
        machine.onDeviceWrite(hart);
        return 'ok';
      },
    };
  }

  #sink(): ExitSink {
    return {
      count: (_hart, kind) => this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1),
      watches: (kind, stage) => this.watched.has(`${kind}:${stage}`),
      report: (_hart, stage, exit, handlerNs) => {
        this.reports.push({ stage, exit });
        this.handlerTimes.push(handlerNs);
        return this.stops.has(`${exit.kind}:${stage}`) ? 'stop' : 'continue';
      },
    };
  }
}

/**
 * Assembles lines of one instruction each, `label:` lines, `# comments`, and three conveniences: `li rd, number`,
 * `lla rd, label` (two instructions), `.word`, `.half`, `.dword` data, and `.balign bytes`. A label may stand for a branch target.
 */
export function assembleProgram(
  text: string,
  address: bigint,
): { code: Uint8Array; labels: Record<string, bigint> } {
  const lines = text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '');
  const labels: Record<string, bigint> = {};
  let size = 0;
  for (const line of lines) {
    if (line.endsWith(':')) labels[line.slice(0, -1)] = address + BigInt(size);
    else size += encodeLine(line, address + BigInt(size), (name) => labels[name] ?? address).length;
  }
  const code: number[] = [];
  for (const line of lines) {
    if (line.endsWith(':')) continue;
    const resolve = (name: string): bigint => {
      const target = labels[name];
      assert(target !== undefined, `label ${name} is defined`);
      return target;
    };
    code.push(...encodeLine(line, address + BigInt(code.length), resolve));
  }
  return { code: Uint8Array.from(code), labels };
}

const LAST_OPERAND_IS_TARGET = /^(jal|beq|bne|blt|bge|bltu|bgeu|c\.j|c\.beqz|c\.bnez)\s/;

function encodeLine(line: string, pc: bigint, resolve: (label: string) => bigint): number[] {
  const [, mnemonic = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(line) ?? [];
  const operands = rest.split(',').map((operand) => operand.trim());
  switch (mnemonic) {
    case '.half':
      return bytes(BigInt(rest), 2);
    case '.word':
      return bytes(BigInt(rest), 4);
    case '.dword':
      return bytes(BigInt(rest), 8);
    case '.balign':
      return bytes(0n, Number(-pc & (BigInt(rest) - 1n)));
    case 'li':
      return loadConstant(operands[0]!, BigInt.asIntN(64, BigInt(operands[1]!)));
    case 'lla': {
      const distance = resolve(operands[1]!) - pc;
      const low = BigInt.asIntN(12, distance);
      const high = BigInt.asUintN(20, (distance - low) >> 12n);
      return [
        ...instruction(`auipc ${operands[0]}, ${high}`),
        ...instruction(`addi ${operands[0]}, ${operands[0]}, ${low}`),
      ];
    }
  }
  if (!LAST_OPERAND_IS_TARGET.test(line)) return instruction(line);
  const label = operands.pop()!;
  const target = /^[0-9]/.test(label) ? BigInt(label) : resolve(label);
  return instruction(`${mnemonic} ${[...operands, `0x${target.toString(16)}`].join(', ')}`, pc);
}

function instruction(text: string, pc = 0n): number[] {
  return bytes(BigInt(assemble(text, pc)), text.startsWith('c.') ? 2 : 4);
}

function bytes(value: bigint, length: number): number[] {
  return Array.from({ length }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));
}

function loadConstant(register: string, value: bigint): number[] {
  const low = BigInt.asIntN(12, value);
  if (low === value) return instruction(`addi ${register}, zero, ${low}`);
  if (BigInt.asIntN(32, value) === value) {
    const upper = BigInt.asUintN(20, (value - low) >> 12n);
    return [
      ...instruction(`lui ${register}, ${upper}`),
      ...instruction(`addiw ${register}, ${register}, ${low}`),
    ];
  }
  const rest = BigInt.asIntN(64, value - low) >> 12n;
  return [
    ...loadConstant(register, rest),
    ...instruction(`slli ${register}, ${register}, 12`),
    ...instruction(`addi ${register}, ${register}, ${low}`),
  ];
}
