import { functions, ok, type SbiCall, type SbiExtension, type SbiResult } from './extension.ts';

/** Version 3.0 as major in bits 30 to 24 and minor below (SBI 3.0, "Get SBI specification version"). */
const SPECIFICATION_VERSION = 0x0300_0000n;
/** Implementation numbers are given out by the specification; this is "HART", far from those given out. */
const IMPLEMENTATION_ID = 0x4841_5254n;
const IMPLEMENTATION_VERSION = 1n;

const CSR = { mvendorid: 0xf11, marchid: 0xf12, mimpid: 0xf13 } as const;

/** The Base extension (SBI 3.0, chapter 4). `probe` tells which other extensions there are. */
export function baseExtension(probe: (id: bigint) => boolean): SbiExtension {
  const machineCsr =
    (number: number) =>
    ({ ports, hart }: SbiCall): SbiResult =>
      ok(ports.harts[hart]!.readCsr(number) ?? 0n);
  return {
    id: 0x10n,
    name: 'Base',
    functions: functions({
      0: ['get_spec_version', () => ok(SPECIFICATION_VERSION)],
      1: ['get_impl_id', () => ok(IMPLEMENTATION_ID)],
      2: ['get_impl_version', () => ok(IMPLEMENTATION_VERSION)],
      3: ['probe_extension', ({ args }) => ok(probe(args[0]!) ? 1n : 0n)],
      4: ['get_mvendorid', machineCsr(CSR.mvendorid)],
      5: ['get_marchid', machineCsr(CSR.marchid)],
      6: ['get_mimpid', machineCsr(CSR.mimpid)],
    }),
  };
}
