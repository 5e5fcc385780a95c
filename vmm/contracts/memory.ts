/**
 * Guest memory and hart state live in one shared `WebAssembly.Memory`, so that generated code reaches both
 * by a constant offset and another thread may look at a running guest. `vmm/hart/layout.ts` lays it out.
 */
export interface GuestMemory {
  readonly memory: WebAssembly.Memory;
  /** Guest-physical base of RAM: 0x8000_0000 on the `virt` board. */
  readonly ramBase: number;
  /** Bytes. */
  readonly ramSize: number;
  /** RAM as host bytes; index 0 is `ramBase`. */
  readonly ram: Uint8Array<SharedArrayBuffer>;
  readonly harts: number;
}
