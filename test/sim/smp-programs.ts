/** Guests of several harts, for tests that look at what they do, and for tests that only compare. */

export const ROUNDS = 300;
export const HARTS = 4;

/** Takes and gives back a lock at t0, with the register t1 for itself. */
export const LOCKS = {
  amoswap: {
    take: `
    spin:
      li t1, 1
      amoswap.w.aq t1, t1, (t0)
      bne t1, zero, spin
    `,
    give: 'amoswap.w.rl zero, zero, (t0)',
  },
  'lr and sc': {
    take: `
    spin:
      lr.w.aq t1, (t0)
      bne t1, zero, spin
      li t1, 1
      sc.w t1, t1, (t0)
      bne t1, zero, spin
    `,
    give: 'fence rw, w\n sw zero, 0(t0)',
  },
} as const;

/** Every hart adds to a shared counter ROUNDS times, by plain loads and stores under the lock, then says it is done. */
export const counting = ({ take, give }: { take: string; give: string }): string => `
    lla t0, lock
    lla s1, count
    li s0, ${ROUNDS}
  round:
    ${take}
    ld t2, 0(s1)
    addi s2, a0, 7             # the harts drift apart, in the lock and outside it
  inside:
    addi s2, s2, -1
    bne s2, zero, inside
    addi t2, t2, 1
    sd t2, 0(s1)
    ${give}
    addi s0, s0, -1
    bne s0, zero, round
    lla t3, done
    li t4, 1
    amoadd.d zero, t4, (t3)
  over:
    jal zero, over
    .balign 8
  lock:
    .dword 0
  count:
    .dword 0
  done:
    .dword 0
`;

/** An SBI call; a0 to a5 are what the lines before it left. */
export const sbi = (extension: number, fn: number): string => `
    li a7, ${extension}
    li a6, ${fn}
    ecall
`;
export const IPI = 0x73_5049;
export const RFENCE = 0x5246_4e43;
export const HSM = 0x48_534d;

/** Starts hart 1 at `second` and falls through on hart 0; both halves of the program end with `finish`. */
export const withSecondHart = (first: string, second: string, data = ''): string => `
    lla s0, cells
    li a0, 1
    lla a1, second
    li a2, 0
    ${sbi(HSM, 0)}
    ${first}
    li a7, 8                   # legacy shutdown
    ecall
  stay:
    jal zero, stay
  second:
    lla s0, cells
    ${second}
  still:
    jal zero, still
    .balign 8
  cells:
    .dword 0
    .dword 0
    .dword 0
    .dword 0
    ${data}
`;

/** Waits until the doubleword at s0 + offset is a value; uses t0 and t1. */
export const await64 = (offset: number, value: number, name: string): string => `
    li t1, ${value}
  ${name}:
    ld t0, ${offset}(s0)
    bne t0, t1, ${name}
`;
export const set64 = (offset: number, value: number): string => `
    li t1, ${value}
    sd t1, ${offset}(s0)
`;

/** Hart 0 interrupts the others by the ACLINT, 50 times each, and waits for each to answer. M-mode, 3 harts. */
export const ACLINT_INTERRUPTS = `
  lla s0, cells
  lla t0, handler
  csrrw zero, mtvec, t0
  li s1, 0x2000000
  slli s2, a0, 2
  add s2, s2, s1           # this hart's msip
  slli s3, a0, 3
  add s3, s3, s0           # its count
  li t0, 8
  csrrw zero, mie, t0
  bne a0, zero, waiter
  csrrs zero, mstatus, t0
  li s4, 50
send:
  ld s5, 8(s0)
  ld s6, 16(s0)
  li t0, 1
  sw t0, 4(s1)
  sw t0, 8(s1)
answered:
  ld t1, 8(s0)
  beq t1, s5, answered
answeredToo:
  ld t1, 16(s0)
  beq t1, s6, answeredToo
  addi s4, s4, -1
  bne s4, zero, send
  li t0, 0x100000
  li t1, 0x5555
  sw t1, 0(t0)
waiter:
  csrrs zero, mstatus, t0
  wfi
  jal zero, waiter
handler:
  sw zero, 0(s2)
  ld t5, 0(s3)
  addi t5, t5, 1
  sd t5, 0(s3)
  mret
  .balign 8
cells:
  .dword 0
  .dword 0
  .dword 0
`;

/** Hart 0 interrupts hart 1 by the SBI, 20 times. */
export const SBI_INTERRUPTS = withSecondHart(
  `
  ${await64(0, 1, 'ready')}
  li s3, 20
more:
  ld s4, 8(s0)
  li a0, 2
  li a1, 0
  ${sbi(IPI, 0)}
  bne a0, zero, stay
taken:
  ld t0, 8(s0)
  beq t0, s4, taken
  addi s3, s3, -1
  bne s3, zero, more
  csrrs t0, sip, zero
  sd t0, 16(s0)
  `,
  `
  lla t0, handler
  csrrw zero, stvec, t0
  csrrwi zero, sie, 2
  csrrwi zero, sstatus, 2
  ${set64(0, 1)}
wait:
  wfi
  jal zero, wait
handler:
  csrrci zero, sip, 2
  ld t5, 8(s0)
  addi t5, t5, 1
  sd t5, 8(s0)
  sret
  `,
);

/** Hart 1 reads VA 0x400000 under Sv39; hart 0 maps it elsewhere. */
export const remap = (fence: string): string =>
  withSecondHart(
    `
    ${await64(0, 1, 'tablesReady')}
    ${await64(8, 0x11, 'firstRead')}
    lla s1, newEntry
    ld t0, 0(s1)
    lla s1, leafAddress
    ld t1, 0(s1)
    sd t0, 0(t1)
    li a0, 2
    li a1, 0
    li a2, 0x400000
    li a3, 0x1000
    li a4, 0
    ${fence}
    ${set64(0, 2)}
    ${await64(24, 1, 'secondRead')}
    `,
    `
    lla s1, cells
    li t0, 0x10000
    add s1, s1, t0
    srli s1, s1, 12
    slli s1, s1, 12          # root, level 1, level 0, old page, new page
    li t0, 0x1000
    add s2, s1, t0
    add s3, s2, t0
    add s4, s3, t0
    add s5, s4, t0
    li t1, 0x200000cf
    sd t1, 16(s1)
    srli t1, s2, 2
    ori t1, t1, 1
    sd t1, 0(s1)
    srli t1, s3, 2
    ori t1, t1, 1
    sd t1, 16(s2)
    srli t1, s4, 2
    ori t1, t1, 0xc7
    sd t1, 0(s3)
    srli t1, s5, 2
    ori t1, t1, 0xc7
    lla t2, newEntry
    sd t1, 0(t2)
    lla t2, leafAddress
    sd s3, 0(t2)
    li t1, 0x11
    sd t1, 0(s4)
    li t1, 0x22
    sd t1, 0(s5)
    srli t0, s1, 12
    li t1, 8
    slli t1, t1, 60
    or t0, t0, t1
    csrrw zero, satp, t0
    sfence.vma zero, zero
    li s6, 0x400000
    ${set64(0, 1)}
    ld t2, 0(s6)
    sd t2, 8(s0)
    ${await64(0, 2, 'remapped')}
    ld t2, 0(s6)
    sd t2, 16(s0)
    ${set64(24, 1)}
    `,
    'newEntry:\n .dword 0\n leafAddress:\n .dword 0',
  );

/** Hart 0 replaces an instruction that hart 1 executes over and over. */
export const REPLACED_CODE = withSecondHart(
  `
  ${await64(8, 100, 'oldCodeRan')}
  lla t0, patch
  lla t1, replacement
  lw t1, 0(t1)
  sw t1, 0(t0)
  fence.i
  li a0, 2
  li a1, 0
  ${sbi(RFENCE, 0)}
  sd a0, 24(s0)
  ${set64(0, 1)}
  ${await64(16, 107, 'newCodeRan')}
  `,
  `
turn:
  li t2, 100
patch:
  addi t2, t2, 0
  ld t3, 0(s0)
  bne t3, zero, changed
  sd t2, 8(s0)
  jal zero, turn
changed:
  sd t2, 16(s0)
  jal zero, turn
replacement:
  addi t2, t2, 7
  `,
);
