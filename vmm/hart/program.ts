import { generatedInterpreter } from './generated.ts';
import type { InterpreterProgram } from './interpreter.ts';

let program: InterpreterProgram | undefined;

/** The interpreter of the whole instruction table, compiled on first use and shared by all machines of this thread. */
export function interpreterProgram(): InterpreterProgram {
  if (program === undefined) {
    const { code, forms, ops } = generatedInterpreter();
    program = { module: new WebAssembly.Module(code as Uint8Array<ArrayBuffer>), forms, ops };
  }
  return program;
}
