/** Instructions that the assembler writes as others (RISC-V unprivileged, "RISC-V Assembly Programmer's Handbook"; RISC-V Assembly Programmer's Manual). */
export interface PseudoInstruction {
  readonly name: string;
  /** Operands in the token language of the instruction formats' `syntax`, `symbol` in addition. */
  readonly syntax: string;
  /** What it becomes. */
  readonly expansion: string;
  readonly description: string;
}

type Row = readonly [name: string, syntax: string, expansion: string, description: string];

const COMPUTE: readonly Row[] = [
  ['nop', '', 'addi zero, zero, 0', 'Does nothing.'],
  ['li', 'rd,imm', 'lui, addi, slli, … as the value needs', 'Loads a constant of up to 64 bits.'],
  [
    'la',
    'rd,symbol',
    'auipc rd, %pcrel_hi(symbol); addi rd, rd, %pcrel_lo(…)',
    'Loads the address of a symbol; through the GOT in position-independent code.',
  ],
  [
    'lla',
    'rd,symbol',
    'auipc rd, %pcrel_hi(symbol); addi rd, rd, %pcrel_lo(…)',
    'Loads the address of a local symbol.',
  ],
  [
    'lga',
    'rd,symbol',
    'auipc rd, %got_pcrel_hi(symbol); ld rd, %pcrel_lo(…)(rd)',
    'Loads the address of a symbol from the GOT.',
  ],
  [
    'la.tls.ie',
    'rd,symbol',
    'auipc rd, %tls_ie_pcrel_hi(symbol); ld rd, …(rd)',
    'Loads the offset of a thread-local symbol (initial exec).',
  ],
  [
    'la.tls.gd',
    'rd,symbol',
    'auipc rd, %tls_gd_pcrel_hi(symbol); addi rd, rd, …',
    'Loads the GOT entry of a thread-local symbol (global dynamic).',
  ],
  ['mv', 'rd,rs1', 'addi rd, rs1, 0', 'Copies a register.'],
  ['move', 'rd,rs1', 'addi rd, rs1, 0', 'Copies a register; an older name of mv.'],
  ['not', 'rd,rs1', 'xori rd, rs1, -1', 'Inverts every bit.'],
  ['neg', 'rd,rs1', 'sub rd, zero, rs1', 'Negates.'],
  ['negw', 'rd,rs1', 'subw rd, zero, rs1', 'Negates the low 32 bits; the result is sign-extended.'],
  ['sext.w', 'rd,rs1', 'addiw rd, rs1, 0', 'Sign-extends the low 32 bits.'],
  ['zext.b', 'rd,rs1', 'andi rd, rs1, 255', 'Zero-extends the low byte.'],
  ['zext.w', 'rd,rs1', 'add.uw rd, rs1, zero', 'Zero-extends the low 32 bits.'],
  ['seqz', 'rd,rs1', 'sltiu rd, rs1, 1', 'Sets rd to 1 if rs1 is zero, else to 0.'],
  ['snez', 'rd,rs1', 'sltu rd, zero, rs1', 'Sets rd to 1 if rs1 is not zero, else to 0.'],
  ['sltz', 'rd,rs1', 'slt rd, rs1, zero', 'Sets rd to 1 if rs1 is negative, else to 0.'],
  ['sgtz', 'rd,rs1', 'slt rd, zero, rs1', 'Sets rd to 1 if rs1 is positive, else to 0.'],
  ['sgt', 'rd,rs1,rs2', 'slt rd, rs2, rs1', 'Sets rd to 1 if rs1 is greater than rs2, signed.'],
  ['sgtu', 'rd,rs1,rs2', 'sltu rd, rs2, rs1', 'Sets rd to 1 if rs1 is greater than rs2, unsigned.'],
];

const JUMPS: readonly Row[] = [
  ['beqz', 'rs1,target', 'beq rs1, zero, target', 'Branches if rs1 is zero.'],
  ['bnez', 'rs1,target', 'bne rs1, zero, target', 'Branches if rs1 is not zero.'],
  ['blez', 'rs1,target', 'bge zero, rs1, target', 'Branches if rs1 is zero or less.'],
  ['bgez', 'rs1,target', 'bge rs1, zero, target', 'Branches if rs1 is zero or more.'],
  ['bltz', 'rs1,target', 'blt rs1, zero, target', 'Branches if rs1 is negative.'],
  ['bgtz', 'rs1,target', 'blt zero, rs1, target', 'Branches if rs1 is positive.'],
  ['bgt', 'rs1,rs2,target', 'blt rs2, rs1, target', 'Branches if rs1 is greater than rs2, signed.'],
  ['ble', 'rs1,rs2,target', 'bge rs2, rs1, target', 'Branches if rs1 is at most rs2, signed.'],
  ['bgtu', 'rs1,rs2,target', 'bltu rs2, rs1, target', 'Branches if rs1 is greater than rs2, unsigned.'],
  ['bleu', 'rs1,rs2,target', 'bgeu rs2, rs1, target', 'Branches if rs1 is at most rs2, unsigned.'],
  ['j', 'target', 'jal zero, target', 'Jumps within 1 MiB.'],
  ['jr', 'rs1', 'jalr zero, 0(rs1)', 'Jumps to the address in rs1.'],
  ['ret', '', 'jalr zero, 0(ra)', 'Returns from a function.'],
  [
    'call',
    'target',
    'auipc ra, …; jalr ra, …(ra)',
    'Calls a function anywhere within 2 GiB; the linker shortens it to jal.',
  ],
  [
    'tail',
    'target',
    'auipc t1, …; jalr zero, …(t1)',
    "Jumps to a function that returns to this one's caller. Changes t1.",
  ],
  ['jump', 'target,rs1', 'auipc rs1, …; jalr zero, …(rs1)', 'Jumps anywhere within 2 GiB by way of rs1.'],
];

const CSRS: readonly Row[] = [
  ['csrr', 'rd,csr', 'csrrs rd, csr, zero', 'Reads a CSR.'],
  ['csrw', 'csr,rs1', 'csrrw zero, csr, rs1', 'Writes a CSR.'],
  ['csrs', 'csr,rs1', 'csrrs zero, csr, rs1', 'Sets in a CSR the bits that are set in rs1.'],
  ['csrc', 'csr,rs1', 'csrrc zero, csr, rs1', 'Clears in a CSR the bits that are set in rs1.'],
  ['csrwi', 'csr,zimm', 'csrrwi zero, csr, zimm', 'Writes a constant from 0 to 31 to a CSR.'],
  ['csrsi', 'csr,zimm', 'csrrsi zero, csr, zimm', 'Sets bits among the low five of a CSR.'],
  ['csrci', 'csr,zimm', 'csrrci zero, csr, zimm', 'Clears bits among the low five of a CSR.'],
  ['rdcycle', 'rd', 'csrrs rd, cycle, zero', 'Reads the cycle counter.'],
  ['rdtime', 'rd', 'csrrs rd, time, zero', 'Reads the real-time counter.'],
  ['rdinstret', 'rd', 'csrrs rd, instret, zero', 'Reads the counter of retired instructions.'],
  ['frcsr', 'rd', 'csrrs rd, fcsr, zero', 'Reads the floating-point control and status register.'],
  ['fscsr', 'rd,rs1', 'csrrw rd, fcsr, rs1', 'Swaps the floating-point control and status register.'],
  ['frrm', 'rd', 'csrrs rd, frm, zero', 'Reads the rounding mode.'],
  ['fsrm', 'rd,rs1', 'csrrw rd, frm, rs1', 'Swaps the rounding mode.'],
  ['fsrmi', 'rd,zimm', 'csrrwi rd, frm, zimm', 'Sets the rounding mode to a constant.'],
  ['frflags', 'rd', 'csrrs rd, fflags, zero', 'Reads the floating-point exception flags.'],
  ['fsflags', 'rd,rs1', 'csrrw rd, fflags, rs1', 'Swaps the floating-point exception flags.'],
  [
    'fsflagsi',
    'rd,zimm',
    'csrrwi rd, fflags, zimm',
    'Sets the floating-point exception flags to a constant.',
  ],
];

const OTHERS: readonly Row[] = [
  [
    'fence.tso',
    '',
    'fence rw, rw with fm = 8',
    'Orders loads before later loads and stores, and stores before later stores.',
  ],
  ['pause', '', 'fence w, 0', 'Hints that this is a spin loop (Zihintpause).'],
  ['unimp', '', 'csrrw zero, cycle, zero', 'An instruction that is illegal by definition.'],
  ['scall', '', 'ecall', 'An older name of ecall.'],
  ['sbreak', '', 'ebreak', 'An older name of ebreak.'],
  ['sfence.vm', 'rs1', 'sfence.vma rs1', 'An older name of sfence.vma.'],
  ['fmv.x.s', 'rd,fs1', 'fmv.x.w rd, fs1', 'An older name of fmv.x.w.'],
  ['fmv.s.x', 'fd,rs1', 'fmv.w.x fd, rs1', 'An older name of fmv.w.x.'],
];

/** For each of the formats `s` and `d`. */
const FLOAT: readonly Row[] = ['s', 'd'].flatMap((format): Row[] => [
  [`fmv.${format}`, 'fd,fs1', `fsgnj.${format} fd, fs1, fs1`, 'Copies a floating-point register.'],
  [`fabs.${format}`, 'fd,fs1', `fsgnjx.${format} fd, fs1, fs1`, 'Clears the sign.'],
  [`fneg.${format}`, 'fd,fs1', `fsgnjn.${format} fd, fs1, fs1`, 'Flips the sign.'],
  [`fgt.${format}`, 'rd,fs1,fs2', `flt.${format} rd, fs2, fs1`, 'Sets rd to 1 if fs1 is greater than fs2.'],
  [`fge.${format}`, 'rd,fs1,fs2', `fle.${format} rd, fs2, fs1`, 'Sets rd to 1 if fs1 is at least fs2.'],
]);

export const PSEUDO_INSTRUCTIONS: ReadonlyMap<string, PseudoInstruction> = new Map(
  [...COMPUTE, ...JUMPS, ...CSRS, ...OTHERS, ...FLOAT].map(([name, syntax, expansion, description]) => [
    name,
    { name, syntax, expansion, description },
  ]),
);
