import { CSR, type CsrName } from './layout.ts';

/** A CSR that is a slot of the hart's record and nothing else: no side effect, no rule but which bits can be written. */
export interface StoredCsr {
  readonly number: number;
  readonly name: CsrName;
  /** Of the hart's record. */
  readonly offset: number;
  readonly writable: bigint;
}

const WHOLE = ~0n;
/** xepc: bit 0 is always zero (privileged, "Machine Exception Program Counter (mepc) Register"). */
const EVEN = ~1n;

/** What trap handlers save and ask for: generated code accesses these itself. */
export const STORED_CSRS: readonly StoredCsr[] = (
  [
    [0x340, 'mscratch', WHOLE],
    [0x341, 'mepc', EVEN],
    [0x342, 'mcause', WHOLE],
    [0x343, 'mtval', WHOLE],
    [0x140, 'sscratch', WHOLE],
    [0x141, 'sepc', EVEN],
    [0x142, 'scause', WHOLE],
    [0x143, 'stval', WHOLE],
  ] as const
).map(([number, name, writable]) => ({ number, name, offset: CSR[name], writable }));

const byNumber = new Map(STORED_CSRS.map((csr) => [csr.number, csr]));

/** The stored CSR that a Zicsr instruction names; undefined when it names another one. */
export const storedCsr = (raw: number): StoredCsr | undefined => byNumber.get(raw >>> 20);
