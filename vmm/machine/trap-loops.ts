import { hex } from '../base/brands.ts';
import { type Hart, PRIVILEGE } from '../contracts/hart.ts';
import { EXCEPTIONS } from '../isa/causes.ts';

/** So many traps with no instruction between them happen to no guest that works: firmware probes with one at a time. */
const TRAPS_MIN = 10_000;

interface Seen {
  retired: number;
  trapped: number;
  told: boolean;
}

/**
 * Finds harts whose trap handler itself does nothing but trap, as after a jump to nowhere with no handler set. Looks at counts
 * that are kept anyway, so it costs the guest nothing and changes nothing.
 */
export class TrapLoops {
  readonly #harts: readonly Hart[];
  readonly #seen: readonly Seen[];

  constructor(harts: readonly Hart[]) {
    this.#harts = harts;
    this.#seen = harts.map(() => ({ retired: 0, trapped: 0, told: false }));
  }

  /** A sentence on a hart that is caught, told once a loop; asked for between runs. */
  look(): string | undefined {
    return this.#harts.map((hart, index) => this.#lookAt(hart, this.#seen[index]!)).find(Boolean);
  }

  #lookAt(hart: Hart, seen: Seen): string | undefined {
    const { retired, trapped } = hart;
    if (retired !== seen.retired || trapped < seen.trapped) {
      Object.assign(seen, { retired, trapped, told: false });
      return undefined;
    }
    if (seen.told || trapped - seen.trapped < TRAPS_MIN) return undefined;
    seen.told = true;
    return describeLoop(hart);
  }
}

/** Trap CSRs by the mode that takes the trap (RISC-V privileged, "Machine Trap Vector" and "Supervisor Trap Vector"). */
const MACHINE_TRAP = { mode: 'm', tvec: 0x305, cause: 0x342, tval: 0x343 } as const;
const SUPERVISOR_TRAP = { mode: 's', tvec: 0x105, cause: 0x142, tval: 0x143 } as const;

function describeLoop(hart: Hart): string {
  const { mode, ...csrs } = hart.getPrivilege() === PRIVILEGE.M ? MACHINE_TRAP : SUPERVISOR_TRAP;
  const read = (number: number): bigint => hart.readCsr(number) ?? 0n;
  const code = Number(read(csrs.cause));
  const cause = EXCEPTIONS.find((exception) => exception.code === code)?.name ?? `cause ${code}`;
  return (
    `hart ${hart.id} is caught in traps and executes nothing any more: its trap handler at ${hex(hart.getPc())} ` +
    `(${mode}tvec is ${hex(read(csrs.tvec))}) ends in a trap itself: ${cause}, ${mode}tval ${hex(read(csrs.tval))}; ` +
    `set ${mode}tvec to code that can run before anything traps`
  );
}
