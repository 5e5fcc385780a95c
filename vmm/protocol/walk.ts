/** What the walk is for: decides which permission bits matter (RISC-V privileged, "Virtual Address Translation Process"). */
export type AccessType = 'read' | 'write' | 'execute';

/** One level of a page-table walk, root first. */
export interface WalkLevel {
  /** 4 (Sv57) down to 0. */
  readonly level: number;
  /** Guest-physical address of the table. */
  readonly table: bigint;
  /** VPN[level]: the entry's index in the table. */
  readonly index: number;
  readonly pteAddress: bigint;
  /** Raw entry, 64 bits. */
  readonly pte: bigint;
  /** The set ones of `V R W X U G A D N`, in this order, as one string such as `VRWAD`; N is Svnapot's. */
  readonly flags: string;
  /** The memory type that a leaf asks for (Svpbmt): non-cacheable, or I/O; absent for that of the address, PMA. */
  readonly memoryType?: 'NC' | 'IO';
  /** PPN shifted to an address: the next table, or the page this leaf maps. A NAPOT leaf's is the range's first page. */
  readonly target: bigint;
  readonly leaf: boolean;
}

export interface WalkResult {
  readonly mode: 'Bare' | 'Sv39' | 'Sv48' | 'Sv57';
  readonly address: bigint;
  readonly levels: readonly WalkLevel[];
  /** Final guest-physical address, absent on a fault. */
  readonly physical?: bigint;
  /** Bytes the leaf maps: 4096, 64 KiB (Svnapot), 2 MiB, 1 GiB, …; absent on a fault and in Bare mode. */
  readonly pageSize?: number;
  /** Why the access would fault, in words that name the level and the bits. */
  readonly fault?: string;
}
