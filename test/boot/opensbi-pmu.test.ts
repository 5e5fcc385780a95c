import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { assembleProgram } from '../support/bare-hart.ts';
import { machineFromFiles } from '../support/conversation.ts';
import { describeWithGuests, GUESTS } from '../support/debian-guests.ts';
import { temporaryFolder } from '../support/qemu.ts';

/** Where OpenSBI starts what follows it. */
const ENTRY = 0x8020_0000n;
const STEPS_MAX = 100_000_000;

// SBI 1.0, "Performance Monitoring Unit" and "System Reset".
const PMU = 0x50_4d55;
const FUNCTION = { configure: 2, start: 3, stop: 4 } as const;
const CLEAR_AND_START = 0b110;
const SET_INITIAL_VALUE = 1;
const HW_CPU_CYCLES = 1;
const HW_INSTRUCTIONS = 2;
const SRST = 0x5352_5354;
const OVERFLOW = 13;

/** Asks for a programmable counter of the event; its number comes in a1. OpenSBI takes the highest free one. */
const counterOf = (event: number): string => `
    li a0, 3
    li a1, 0x1fffffff
    li a2, ${CLEAR_AND_START}
    li a3, ${event}
    li a4, 0
    li a6, ${FUNCTION.configure}
    li a7, ${PMU}
    ecall
`;

// S-mode under OpenSBI takes two counters, reads them around three instructions, and has one overflow.
const PROGRAM = `
    lla t0, trapped
    csrrw zero, stvec, t0
    ${counterOf(HW_INSTRUCTIONS)}
    addi s2, a1, 0
    ${counterOf(HW_CPU_CYCLES)}
    addi s3, a1, 0
    csrrs s4, hpmcounter31, zero
    csrrs s5, hpmcounter30, zero
    addi t0, t0, 1
    addi t0, t0, 1
    addi t0, t0, 1
    csrrs s6, hpmcounter31, zero
    csrrs s7, hpmcounter30, zero

    # The counter of instructions again, 20 before its overflow, with the interrupt on.
    addi a0, s2, 0
    li a1, 1
    li a2, 0
    li a6, ${FUNCTION.stop}
    ecall
    li t0, ${1 << OVERFLOW}
    csrrs zero, sie, t0
    addi a0, s2, 0
    li a1, 1
    li a2, ${SET_INITIAL_VALUE}
    li a3, -20
    li s8, 0
    li a6, ${FUNCTION.start}
    ecall
    csrrsi zero, sstatus, 2
  loop:
    addi s8, s8, 1
    jal zero, loop

  .balign 4
  trapped:
    csrrs t1, scause, zero
    csrrs t2, scountovf, zero
    lla t0, results
    sub s6, s6, s4
    sub s7, s7, s5
    sd s2, 0(t0)
    sd s3, 8(t0)
    sd s6, 16(t0)
    sd s7, 24(t0)
    sd s8, 32(t0)
    sd t1, 40(t0)
    sd t2, 48(t0)
    li a0, 0
    li a1, 0
    li a6, 0
    li a7, ${SRST}
    ecall
  .balign 8
  results:
    .dword 0
`;

describeWithGuests('SBI PMU of OpenSBI, on programmable counters', () => {
  test('counts cycles and instructions, and forwards the overflow', () => {
    const kernel = join(temporaryFolder(), 'kernel.bin');
    const { code, labels } = assembleProgram(PROGRAM, ENTRY);
    writeFileSync(kernel, code);
    const machine = machineFromFiles({ firmware: GUESTS.fwDynamic, kernel }, () => {});
    expect(machine.run(STEPS_MAX)).toMatchObject({ kind: 'end', end: { code: 0 } });
    const bytes = machine.readMemory(0, labels['results']!, 7 * 8, 'physical');
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const [first, second, retired, passed, rounds, cause, overflowed] = Array.from(
      { length: 7 },
      (_, index) => view.getBigUint64(index * 8, true),
    );
    expect([first, second, retired, passed]).toEqual([31n, 30n, 5n, 5n]);
    expect(cause).toBe((1n << 63n) | BigInt(OVERFLOW));
    // Of the two counters only the first; OpenSBI marks those that nobody uses.
    expect(overflowed! >> 30n).toBe(0b10n);
    // Twenty instructions of S-mode: the mret is of M-mode, the first is csrrsi, and the others make rounds of two.
    expect(rounds).toBe(10n);
  });
});
