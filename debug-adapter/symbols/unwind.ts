import type { RegisterRule } from './dwarf/call-frame-program.ts';
import type { UnwindRow } from './dwarf/call-frames.ts';
import { type ExpressionContext, evaluateNumber } from './dwarf/expression.ts';
import type { FrameRegisters, HartView } from './model.ts';
import { frameRegister, isPreserved, REGISTER } from './registers.ts';

/** The registers of a caller, and the canonical frame address of the frame it called. */
export interface Unwound {
  readonly cfa: bigint;
  /** Undefined when the row says that there is no caller. */
  readonly caller: FrameRegisters | undefined;
}

/**
 * Applies a row of call frame information (DWARF 5, section 6.4.4). Undefined when something it needs cannot be
 * read. Registers without a rule keep their value if the calling convention preserves them, and are unknown otherwise;
 * below a signal frame all keep it.
 */
export async function applyRow(
  row: UnwindRow,
  registers: FrameRegisters,
  hart: HartView,
): Promise<Unwound | undefined> {
  const context = rowContext(registers, hart);
  const cfa = await computeCfa(row, context);
  if (cfa === undefined) return undefined;

  const rules = row.registers;
  const recover = async (number: number): Promise<bigint | undefined> => {
    const rule = rules.get(number);
    if (rule !== undefined) return await applyRule(rule, number, cfa, context);
    // The stack pointer of the caller is the CFA by definition of the calling convention.
    if (number === REGISTER.sp) return cfa;
    if (number === row.returnAddressRegister || row.isSignalFrame || isPreserved(number)) {
      return await context.register(number);
    }
    return undefined;
  };

  const pc = await recover(row.returnAddressRegister);
  if (pc === undefined) {
    const ended = rules.get(row.returnAddressRegister)?.kind === 'undefined';
    return ended ? { cfa, caller: undefined } : undefined;
  }
  const x: (bigint | undefined)[] = [0n];
  for (let number = 1; number < 32; number += 1) x.push(await recover(number));
  const f: (bigint | undefined)[] = [];
  for (let number = 0; number < 32; number += 1) f.push(await recover(REGISTER.f0 + number));
  return { cfa, caller: { pc, x, f } };
}

/** The canonical frame address by itself: what locals count from. */
export async function frameAddress(
  row: UnwindRow,
  registers: FrameRegisters,
  hart: HartView,
): Promise<bigint | undefined> {
  return await computeCfa(row, rowContext(registers, hart));
}

async function computeCfa(row: UnwindRow, context: ExpressionContext): Promise<bigint | undefined> {
  switch (row.cfa.kind) {
    case 'register': {
      const base = await context.register(row.cfa.register);
      return base === undefined ? undefined : BigInt.asUintN(64, base + row.cfa.offset);
    }
    case 'expression':
      return await evaluateNumber(row.cfa.expression, context, []);
    case 'undefined':
      return undefined;
  }
}

async function applyRule(
  rule: RegisterRule,
  number: number,
  cfa: bigint,
  context: ExpressionContext,
): Promise<bigint | undefined> {
  switch (rule.kind) {
    case 'undefined':
      return undefined;
    case 'same':
      return await context.register(number);
    case 'offset':
      return await readWord(context, cfa + rule.offset);
    case 'valOffset':
      return BigInt.asUintN(64, cfa + rule.offset);
    case 'register':
      return await context.register(rule.register);
    case 'expression': {
      const address = await evaluateNumber(rule.expression, context, [cfa]);
      return address === undefined ? undefined : await readWord(context, address);
    }
    case 'valExpression':
      return await evaluateNumber(rule.expression, context, [cfa]);
  }
}

async function readWord(context: ExpressionContext, address: bigint): Promise<bigint | undefined> {
  const at = BigInt.asUintN(64, address);
  const bytes = await context.readMemory(at, 8);
  if (bytes.length < 8) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
}

/** CSRs that hold where a trap came from, by their DWARF numbers (RISC-V DWARF psABI: 4096 and the CSR's number). */
const TRAP_CSRS: ReadonlyMap<number, string> = new Map([
  [REGISTER.csr0 + 0x141, 'sepc'],
  [REGISTER.csr0 + 0x341, 'mepc'],
  [REGISTER.csr0 + 0x140, 'sscratch'],
  [REGISTER.csr0 + 0x340, 'mscratch'],
]);

function rowContext(registers: FrameRegisters, hart: HartView): ExpressionContext {
  return {
    bias: 0n,
    addressSize: 8,
    what: 'a call frame expression',
    register: async (number) => {
      const csr = TRAP_CSRS.get(number);
      return csr === undefined ? frameRegister(registers, number) : await hart.readCsr(csr);
    },
    readMemory: (address, length) => hart.readMemory(address, length),
  };
}
