/**
 * The harts of one machine: state in shared linear memory, an interpreter generated from the instruction
 * table, traps, translation and protection.
 */
export { createHartGroup, type HartGroupOptions, type HartIsa } from './group.ts';
export { createGuestMemory } from './memory.ts';
