/**
 * Guests of a few instructions, assembled here, so that tests of processes need no cross compiler. They run in M-mode
 * (`--firmware none`) on the `virt` board.
 */

const [ZERO, T0, T1, T2] = [0, 5, 6, 7];
const UART = 0x1000_0000;
const SIFIVE_TEST = 0x10_0000;
const RAM_BASE = 0x8000_0000;

const lui = (rd: number, value: number) => ((value & 0xffff_f000) | (rd << 7) | 0x37) >>> 0;
const immediate = (opcode: number, f3: number, rd: number, rs1: number, value: number) =>
  (((value & 0xfff) << 20) | (rs1 << 15) | (f3 << 12) | (rd << 7) | opcode) >>> 0;
const addi = (rd: number, rs1: number, value: number) => immediate(0x13, 0, rd, rs1, value);
const andi = (rd: number, rs1: number, value: number) => immediate(0x13, 7, rd, rs1, value);
const lbu = (rd: number, rs1: number, offset: number) => immediate(0x03, 4, rd, rs1, offset);
const store = (f3: number, rs2: number, rs1: number) => ((rs2 << 20) | (rs1 << 15) | (f3 << 12) | 0x23) >>> 0;
const sb = (rs2: number, rs1: number) => store(0, rs2, rs1);
const sw = (rs2: number, rs1: number) => store(2, rs2, rs1);
const WFI = 0x1050_0073;
const JUMP_TO_SELF = 0x0000_006f;
/** beq t2, zero, -8 and jal zero, -20. */
const BACK_8_IF_T2_IS_0 = 0xfe03_8ce3;
const JUMP_BACK_20 = 0xfedf_f06f;

/** Prints `text` to the UART. */
export const print = (text: string): number[] => [
  lui(T0, UART),
  ...[...text].flatMap((character) => [addi(T1, ZERO, character.charCodeAt(0)), sb(T1, T0)]),
];

/** Ends through the test device: a pass, or a failure with a code up to 2047. */
export const finish = (code = 0): number[] => {
  const value = code === 0 ? 0x5555 : (code << 16) | 0x3333;
  return [lui(T0, SIFIVE_TEST), lui(T1, value), addi(T1, T1, value & 0xfff), sw(T1, T0), JUMP_TO_SELF];
};

/** Loops on one instruction for ever. */
export const spin = (): number[] => [JUMP_TO_SELF];

/** Waits for an interrupt that no one will raise. */
export const hang = (): number[] => [WFI, JUMP_TO_SELF];

/** Sends each byte from the UART back, for ever. */
export const echo = (): number[] => [
  lui(T0, UART),
  lbu(T2, T0, 5), // the line status register; bit 0: a byte is there
  andi(T2, T2, 1),
  BACK_8_IF_T2_IS_0,
  lbu(T1, T0, 0),
  sb(T1, T0),
  JUMP_BACK_20,
];

/** An ELF executable with one segment of these instructions at the base of RAM. */
export function tinyElf(instructions: readonly number[], machine = 243): Uint8Array {
  const size = instructions.length * 4;
  const code = 120;
  const bytes = new Uint8Array(code + size);
  const view = new DataView(bytes.buffer);
  // System V ABI, "ELF Header": 64 bits, little-endian, executable.
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(RAM_BASE), true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  // "Program Header": PT_LOAD, readable, writable, executable.
  view.setUint32(64, 1, true);
  view.setUint32(68, 7, true);
  for (const [at, value] of [
    [72, code],
    [80, RAM_BASE],
    [88, RAM_BASE],
    [96, size],
    [104, size],
    [112, 4],
  ] as const) {
    view.setBigUint64(at, BigInt(value), true);
  }
  for (const [index, word] of instructions.entries()) view.setUint32(code + index * 4, word, true);
  return bytes;
}
