/** How an instruction's immediate is spread over the encoding (unprivileged, "Immediate Encoding Variants"). */
export type ImmediateKind = 'none' | 'I' | 'S' | 'B' | 'U' | 'J' | 'shift5' | 'shift6' | 'zimm' | 'block';

export interface FormatInfo {
  /** The bits that tell instructions of this format apart; all others are operands. */
  readonly mask: number;
  readonly immediate: ImmediateKind;
  /**
   * Operands in the order of assembly text. Tokens: `rd rs1 rs2` integer and `fd fs1 fs2 fs3` float registers,
   * `rdpair rs2pair` an even register that stands for itself and the next,
   * `imm` a signed number, `upper` the 20 bits of lui and auipc, `shamt`, `target` a pc-relative address, `csr`,
   * `zimm`, `pred succ` of a fence, `rm` a rounding mode, left out when dynamic, `exactrm` one of a conversion that
   * never rounds, left out when to nearest, as assemblers encode it, `rtz` the only mode there is, `fli` a constant
   * of Zfa. All else is literal.
   */
  readonly syntax: string;
  /** Assembly appends `.aq`, `.rl` or `.aqrl` to the mnemonic from bits 26:25. */
  readonly ordered?: true;
}

const OPCODE = 0x0000007f;
const FUNCT3 = 0x0000707f;
const FUNCT7 = 0xfe00707f;
const ALL_BUT_RD_RS1 = 0xfff0707f;
/** As the two above, for instructions that have a rounding mode in the place of funct3. */
const FUNCT7_RM = 0xfe00007f;
const ALL_BUT_RD_RS1_RM = 0xfff0007f;

const format = (mask: number, immediate: ImmediateKind, syntax: string, ordered?: true): FormatInfo =>
  ordered ? { mask, immediate, syntax, ordered } : { mask, immediate, syntax };

/** Every operand format of the 32-bit instructions. */
export const FORMATS = {
  R: format(FUNCT7, 'none', 'rd,rs1,rs2'),
  unary: format(ALL_BUT_RD_RS1, 'none', 'rd,rs1'),
  I: format(FUNCT3, 'I', 'rd,rs1,imm'),
  load: format(FUNCT3, 'I', 'rd,imm(rs1)'),
  jalr: format(FUNCT3, 'I', 'rd,imm(rs1)'),
  S: format(FUNCT3, 'S', 'rs2,imm(rs1)'),
  B: format(FUNCT3, 'B', 'rs1,rs2,target'),
  U: format(OPCODE, 'U', 'rd,upper'),
  J: format(OPCODE, 'J', 'rd,target'),
  shift5: format(FUNCT7, 'shift5', 'rd,rs1,shamt'),
  shift6: format(0xfc00707f, 'shift6', 'rd,rs1,shamt'),
  csr: format(FUNCT3, 'none', 'rd,csr,rs1'),
  'csr-imm': format(FUNCT3, 'zimm', 'rd,csr,zimm'),
  amo: format(0xf800707f, 'none', 'rd,rs2,(rs1)', true),
  'amo-pair': format(0xf81070ff, 'none', 'rdpair,rs2pair,(rs1)', true),
  lr: format(0xf9f0707f, 'none', 'rd,(rs1)', true),
  'cache-block': format(0xfff07fff, 'none', '(rs1)'),
  prefetch: format(0x01f07fff, 'block', 'imm(rs1)'),
  // The other fields of a fence are reserved for finer fences and must be ignored ("Memory Ordering Instructions").
  fence: format(FUNCT3, 'none', 'pred,succ'),
  'fence.i': format(FUNCT3, 'none', ''),
  'sfence.vma': format(0xfe007fff, 'none', 'rs1,rs2'),
  none: format(0xffffffff, 'none', ''),
  'float-load': format(FUNCT3, 'I', 'fd,imm(rs1)'),
  'float-store': format(FUNCT3, 'S', 'fs2,imm(rs1)'),
  R4: format(0x0600007f, 'none', 'fd,fs1,fs2,fs3,rm'),
  'float-rm': format(FUNCT7_RM, 'none', 'fd,fs1,fs2,rm'),
  'float-unary-rm': format(ALL_BUT_RD_RS1_RM, 'none', 'fd,fs1,rm'),
  'float-unary-exact': format(ALL_BUT_RD_RS1_RM, 'none', 'fd,fs1,exactrm'),
  'int-to-float-exact': format(ALL_BUT_RD_RS1_RM, 'none', 'fd,rs1,exactrm'),
  float: format(FUNCT7, 'none', 'fd,fs1,fs2'),
  'float-compare': format(FUNCT7, 'none', 'rd,fs1,fs2'),
  'float-to-int-rm': format(ALL_BUT_RD_RS1_RM, 'none', 'rd,fs1,rm'),
  'int-to-float-rm': format(ALL_BUT_RD_RS1_RM, 'none', 'fd,rs1,rm'),
  'float-to-int': format(ALL_BUT_RD_RS1, 'none', 'rd,fs1'),
  'int-to-float': format(ALL_BUT_RD_RS1, 'none', 'fd,rs1'),
  'float-constant': format(ALL_BUT_RD_RS1, 'zimm', 'fd,fli'),
  'float-to-int-rtz': format(ALL_BUT_RD_RS1, 'none', 'rd,fs1,rtz'),
} as const satisfies Record<string, FormatInfo>;

export type Format = keyof typeof FORMATS;

/** The immediate as a signed 32-bit number; shift amounts and CSR immediates are unsigned. */
export function decodeImmediate(kind: ImmediateKind, raw: number): number {
  switch (kind) {
    case 'none':
      return 0;
    case 'I':
      return raw >> 20;
    case 'S':
      return ((raw >> 25) << 5) | ((raw >> 7) & 0x1f);
    case 'B':
      return ((raw >> 31) << 12) | ((raw << 4) & 0x800) | ((raw >> 20) & 0x7e0) | ((raw >> 7) & 0x1e);
    case 'U':
      return raw & 0xfffff000;
    case 'J':
      return ((raw >> 31) << 20) | (raw & 0xff000) | ((raw >> 9) & 0x800) | ((raw >> 20) & 0x7fe);
    case 'shift5':
    case 'shift6':
      return (raw >> 20) & (kind === 'shift5' ? 0x1f : 0x3f);
    case 'zimm':
      return (raw >> 15) & 0x1f;
    case 'block':
      return (raw >> 25) << 5;
  }
}

/** The bits of the encoding that hold an immediate, which must be in range; the inverse of `decodeImmediate`. */
export function encodeImmediate(kind: ImmediateKind, value: number): number {
  switch (kind) {
    case 'none':
      return 0;
    case 'I':
      return value << 20;
    case 'S':
      return ((value >> 5) << 25) | ((value & 0x1f) << 7);
    case 'B':
      return ((value >> 12) << 31) | ((value & 0x7e0) << 20) | ((value & 0x1e) << 7) | ((value & 0x800) >> 4);
    case 'U':
      return value & 0xfffff000;
    case 'J':
      return ((value >> 20) << 31) | ((value & 0x7fe) << 20) | ((value & 0x800) << 9) | (value & 0xff000);
    case 'shift5':
      return (value & 0x1f) << 20;
    case 'shift6':
      return (value & 0x3f) << 20;
    case 'zimm':
      return (value & 0x1f) << 15;
    case 'block':
      return (value >> 5) << 25;
  }
}
