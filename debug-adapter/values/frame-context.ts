import { type Frame, frameRegister, type HartView, type Symbols, type Variable } from '../symbols/index.ts';
import type { CsrField, EvaluationContext } from './model.ts';

export interface FrameContextOptions {
  readonly symbols: Symbols;
  /** Whose variables and registers are meant; without one, the hart's registers and global names only. */
  readonly frame: Frame | undefined;
  readonly hart: HartView;
  csrFields(name: string): readonly CsrField[] | undefined;
}

/** What expressions are evaluated in: a frame of a stopped hart. */
export function frameContext({ symbols, frame, hart, csrFields }: FrameContextOptions): EvaluationContext {
  const registers = frame?.registers ?? hart.registers;
  const near = frame?.lookupPc ?? registers.pc;
  return {
    readRegister: async (name) => frameRegister(registers, name),
    readCsr: (name) => hart.readCsr(name),
    csrFields,
    readMemory: (address, length) => hart.readMemory(address, length),
    variable: async (name) => {
      const variable = (frame && localVariable(symbols, frame, name)) ?? symbols.globalVariable(name, near);
      return variable && { type: variable.type, location: await variable.locate(frame, hart) };
    },
    enumerator: (name) => symbols.enumeratorByName(name, near),
    symbol: (name) => {
      const address = symbols.addressOf(name);
      return address === undefined ? undefined : { address };
    },
    type: (name) => symbols.typeByName(name, near),
    symbolize: (address) => symbols.symbolize(address),
  };
}

/** The innermost scope that has the name wins (C17, section 6.2.1), and in it the last declared. */
function localVariable(symbols: Symbols, frame: Frame, name: string): Variable | undefined {
  for (const scope of symbols.scopesAt(frame)) {
    const found = scope.variables.findLast((variable) => variable.name === name);
    if (found !== undefined) return found;
  }
  return undefined;
}
