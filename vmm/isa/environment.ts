/** Bits of menvcfg and senvcfg that instructions ask for (privileged, "Machine Environment Configuration Register"). */
export const ENVIRONMENT = { CBIE: 3 << 4, CBCFE: 1 << 6, CBZE: 1 << 7 } as const;
