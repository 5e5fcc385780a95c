/**
 * Trap handlers of lockstep programs. They mix what the trap's registers and the counters say into a running hash, so
 * that a single step's difference shows later on too, and go on: behind the instruction, or somewhere else, at a
 * privilege level and with pointers that the hash chooses. The code is position independent and one page holds it with
 * its frame.
 */
import { assembleProgram } from '../support/bare-hart.ts';
import { DEVICE_OFFSET } from './lockstep-layout.ts';

/** Fields of a frame, as offsets in the handler's page; 8 bytes each unless said otherwise. */
export const FRAME = {
  saved: 0x600,
  hash: 0x618,
  /** Ticks from a timer interrupt to the next. */
  timerDelta: 0x620,
  /** satp now and then goes back to this. */
  satp: 0x628,
  /** Offsets in a window. */
  stack: 0x630,
  middle: 0x638,
  edge: 0x640,
  /** Bases of the windows by privilege level, 4 of them. */
  bases: 0x648,
  /** 8 bytes: privilege levels to go on at. */
  privileges: 0x668,
  /** 8 offsets of places to go on at. */
  resumes: 0x670,
} as const;
export const RESUMES = 8;

/** Entries that vectored interrupts come by, one a cause; exceptions come by the first. */
const VECTORS = 16;

interface Level {
  readonly prefix: 'm' | 's';
  readonly pending: 'mip' | 'sip';
  readonly privilege: 1 | 3;
  /** Puts the privilege level that is in t5 where the return instruction finds it; t3 is free. */
  readonly setPrevious: string;
}

const MACHINE: Level = {
  prefix: 'm',
  pending: 'mip',
  privilege: 3,
  setPrevious: `
    li t3, 0x1800
    csrrc zero, mstatus, t3
    slli t3, t5, 11
    csrrs zero, mstatus, t3
  `,
};
const SUPERVISOR: Level = {
  prefix: 's',
  pending: 'sip',
  privilege: 1,
  setPrevious: `
    li t3, 0x100
    csrrc zero, sstatus, t3
    slli t3, t5, 8
    csrrs zero, sstatus, t3
  `,
};

const HERE = VECTORS * 4 + 4;
const at = (field: number): string => `${field - HERE}(t6)`;
/** LCOFIP, of mip and sip. */
const OVERFLOW_PENDING = 1 << 13;
const CAUSE_ACCESS_FAULT = 1;
const CAUSE_PAGE_FAULT = 12;

const handler = ({ prefix, pending, privilege, setPrevious }: Level): string => `
  ${'jal zero, body\n'.repeat(VECTORS)}
body:
  csrrw zero, ${prefix}scratch, t6
  auipc t6, 0
  sd t5, ${at(FRAME.saved)}
  sd t4, ${at(FRAME.saved + 8)}
  csrrs t5, ${prefix}cause, zero
  ld t4, ${at(FRAME.hash)}
  add t4, t4, t5
  csrrs t5, ${prefix}epc, zero
  xor t4, t4, t5
  csrrs t5, instret, zero
  add t4, t4, t5
  csrrs t5, ${prefix}tval, zero
  xor t4, t4, t5
  slli t5, t4, 13
  xor t4, t4, t5
  srli t5, t4, 7
  xor t4, t4, t5
  sd t4, ${at(FRAME.hash)}
  csrrs t5, ${prefix}cause, zero
  blt t5, zero, interrupt
  # An address that cannot be fetched will not be better 4 bytes on.
  addi t5, t5, -${CAUSE_ACCESS_FAULT}
  beq t5, zero, elsewhere
  addi t5, t5, -${CAUSE_PAGE_FAULT - CAUSE_ACCESS_FAULT}
  beq t5, zero, elsewhere
  andi t5, t4, 3
  beq t5, zero, elsewhere
  csrrs t5, ${prefix}epc, zero
  addi t5, t5, 4
  andi t4, t4, 28
  bne t4, zero, behind
  addi t5, t5, -2
behind:
  csrrw zero, ${prefix}epc, t5
leave:
  ld t4, ${at(FRAME.saved + 8)}
  ld t5, ${at(FRAME.saved)}
  csrrs t6, ${prefix}scratch, zero
  ${prefix}ret

elsewhere:
  sd t3, ${at(FRAME.saved + 16)}
  srli t5, t4, 8
  andi t5, t5, 7
  add t5, t5, t6
  lbu t5, ${FRAME.privileges - HERE}(t5)
  ${setPrevious}
  slli t5, t5, 3
  add t5, t5, t6
  ld tp, ${FRAME.bases - HERE}(t5)
  srli t5, t4, 3
  andi t5, t5, 0x38
  add t5, t5, t6
  ld t5, ${FRAME.resumes - HERE}(t5)
  add t5, t5, tp
  csrrw zero, ${prefix}epc, t5
  ld t3, ${at(FRAME.stack)}
  add sp, t3, tp
  ld t3, ${at(FRAME.middle)}
  add s0, t3, tp
  ld t3, ${at(FRAME.edge)}
  add s1, t3, tp
  ld t3, ${at(FRAME.saved + 16)}
  srli t4, t4, 16
  andi t4, t4, 3
  bne t4, zero, leave
  ld t5, ${at(FRAME.satp)}
  csrrw zero, satp, t5
  jal zero, leave

interrupt:
  csrrci zero, ${pending}, 2
  lui t5, ${OVERFLOW_PENDING >> 12}
  csrrc zero, ${pending}, t5
  csrrs t5, time, zero
  ld t4, ${at(FRAME.timerDelta)}
  add t5, t5, t4
  csrrw zero, stimecmp, t5
  # The device lowers the lines.
  ld t4, ${at(FRAME.bases + 8 * privilege)}
  lui t5, ${DEVICE_OFFSET >> 12}
  add t4, t4, t5
  sd zero, 0(t4)
  jal zero, leave
`;

/** The code of the handlers, by the privilege level they run at. */
export const HANDLERS: Readonly<Record<1 | 3, Uint8Array>> = {
  1: assembleProgram(handler(SUPERVISOR), 0n).code,
  3: assembleProgram(handler(MACHINE), 0n).code,
};
