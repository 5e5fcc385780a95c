/**
 * Debug information: lines, functions, variables, types and call frames out of ELF and DWARF (versions 2 to 5).
 *
 * `SymbolFile.load(parseElf(bytes), { name, path })` reads one file; `new SymbolSet([…])` answers for several.
 * `unwindStack(symbols, hart)` yields the call stack.
 */
export { kernelImageAsElf } from './kernel-image.ts';
export type * from './model.ts';
export { frameRegister, REGISTER_NAMES } from './registers.ts';
export { SymbolFile } from './symbol-file.ts';
export { SymbolSet } from './symbol-set.ts';
export * from './type-model.ts';
export { type UnwindOptions, unwindStack } from './unwind-stack.ts';
