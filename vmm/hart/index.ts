/**
 * The harts of one machine: state in shared linear memory, an interpreter generated from the instruction
 * table, traps, translation and protection.
 */
export { BLOCK_BYTES } from './abi.ts';
export { createHartGroup, type HartGroupOptions, type TranslatorOption } from './group.ts';
export { createGuestMemory } from './memory.ts';
