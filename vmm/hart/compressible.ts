/**
 * The instructions that have 16-bit forms (RISC-V unprivileged, "C" Extension): only these need handlers whose
 * next instruction is 2 bytes on. A test derives the same list from the table of compressed encodings.
 */
export const COMPRESSIBLE: ReadonlySet<string> = new Set([
  'add',
  'addi',
  'addiw',
  'addw',
  'and',
  'andi',
  'beq',
  'bne',
  'ebreak',
  'fld',
  'fsd',
  'jal',
  'jalr',
  'ld',
  'lui',
  'lw',
  'or',
  'sd',
  'slli',
  'srai',
  'srli',
  'sub',
  'subw',
  'sw',
  'xor',
]);
