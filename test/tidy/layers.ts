/**
 * ARCHITECTURE.md's table "Folders and the direction of imports", for the test that enforces it. A file belongs to
 * the row with the longest matching path; it may import its own row and the rows named.
 */
export interface Layer {
  readonly path: string;
  readonly may: readonly string[];
}

const machineParts = [
  'vmm/base',
  'vmm/contracts',
  'vmm/isa',
  'vmm/wasm',
  'vmm/hart',
  'vmm/jit',
  'vmm/devices',
  'vmm/sbi',
  'vmm/exits',
  'vmm/formats',
  'vmm/protocol',
];

export const LAYERS: readonly Layer[] = [
  { path: 'extension/', may: ['vmm/protocol', 'debug-adapter/contract', 'vmm/base'] },
  {
    path: 'extension/language-server/',
    may: ['vmm/isa', 'vmm/base', 'vmm/protocol', 'debug-adapter/contract', 'debug-adapter/symbols'],
  },
  { path: 'debug-adapter/', may: ['vmm/protocol', 'vmm/base', 'vmm/formats', 'vmm/isa'] },
  { path: 'debug-adapter/contract/', may: ['vmm/protocol', 'vmm/base'] },
  { path: 'debug-adapter/symbols/', may: ['vmm/base', 'vmm/formats'] },
  { path: 'debug-adapter/values/', may: ['vmm/base', 'vmm/formats', 'vmm/isa', 'debug-adapter/symbols'] },
  { path: 'vmm/base/', may: [] },
  { path: 'vmm/protocol/', may: ['vmm/base'] },
  { path: 'vmm/formats/', may: ['vmm/base'] },
  { path: 'vmm/contracts/', may: ['vmm/base', 'vmm/protocol'] },
  { path: 'vmm/isa/', may: ['vmm/base'] },
  { path: 'vmm/wasm/', may: ['vmm/base', 'vmm/isa'] },
  { path: 'vmm/hart/', may: ['vmm/base', 'vmm/isa', 'vmm/wasm', 'vmm/contracts', 'vmm/protocol'] },
  { path: 'vmm/jit/', may: ['vmm/base', 'vmm/isa', 'vmm/wasm', 'vmm/contracts', 'vmm/hart'] },
  { path: 'vmm/translator.ts', may: ['vmm'] },
  { path: 'vmm/peripherals.ts', may: ['vmm'] },
  { path: 'vmm/socket-worker.ts', may: ['vmm'] },
  { path: 'vmm/devices/', may: ['vmm/base', 'vmm/contracts'] },
  { path: 'vmm/sbi/', may: ['vmm/base', 'vmm/contracts', 'vmm/isa', 'vmm/protocol'] },
  { path: 'vmm/exits/', may: ['vmm/base', 'vmm/contracts', 'vmm/protocol'] },
  { path: 'vmm/machine/', may: machineParts },
  { path: 'vmm/storage/', may: ['vmm/base', 'vmm/contracts'] },
  { path: 'vmm/shares/', may: ['vmm/base', 'vmm/contracts'] },
  { path: 'vmm/network/', may: ['vmm/base', 'vmm/contracts'] },
  { path: 'vmm/snapshot/', may: ['vmm/base', 'vmm/contracts', 'vmm/protocol'] },
  { path: 'vmm/saved-machines.ts', may: ['vmm'] },
  { path: 'vmm/scheduler/', may: ['vmm/base', 'vmm/contracts'] },
  { path: 'vmm/control/', may: ['vmm/base', 'vmm/scheduler', 'vmm/protocol', 'vmm/contracts'] },
  { path: 'vmm/host/', may: ['vmm/base', 'vmm/contracts', 'vmm/protocol'] },
  { path: 'vmm/program.ts', may: ['vmm'] },
  { path: 'vmm/main.ts', may: ['vmm'] },
  { path: 'vmm/worker.ts', may: ['vmm'] },
  { path: 'samples/', may: ['debug-adapter/contract', 'test/support', 'vmm/base'] },
  { path: 'test/', may: ['vmm', 'debug-adapter', 'extension', 'samples'] },
];

/** What would end a run's repeatability or hide a failure, and where it may stand all the same. */
export const BANNED: readonly { readonly pattern: RegExp; readonly allowed: RegExp; readonly why: string }[] =
  [
    {
      pattern: /\b(Date\.now|new Date\(|Math\.random|performance\.now|process\.hrtime)\b/,
      allowed: /^(vmm\/host\/|test\/|extension\/|samples\/|.*main\.ts$|.*\.test\.ts$)/,
      why: 'clocks and entropy enter through ports in vmm/host',
    },
    {
      pattern: /\bprocess\.exit\(/,
      // extension/runtime.ts holds the text of a program that a child process runs.
      allowed: /^(.*main\.ts$|test\/|samples\/|.*\.test\.ts$|extension\/runtime\.ts$)/,
      why: 'only a main.ts ends the process',
    },
    {
      // A word behind it is prose.
      pattern: /@ts-(ignore|nocheck|expect-error)|\bas any\b(?! [a-z])|: any\b(?! [a-z?&])/,
      allowed: /^test\/tidy\//,
      why: 'types are not switched off',
    },
  ];
