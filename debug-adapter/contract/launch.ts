/**
 * The launch and attach configurations: one zod schema each, from which come the adapter's validation, the types,
 * and the JSON schema of the extension's manifest (completion and defaults in `launch.json`).
 */
import * as z from 'zod';
import { VmError } from '../../vmm/base/vm-error.ts';
import { AVAILABLE_EXIT_KINDS } from '../../vmm/protocol/exits.ts';
import type { ExitBreakpointInput } from '../../vmm/protocol/messages.ts';
import { nearest } from './nearest.ts';

/** The debug type in `launch.json`. */
export const DEBUG_TYPE = 'hartscope';

const kind = z.enum(AVAILABLE_EXIT_KINDS);

/** One entry of `exits`: a breakpoint on an exit from the guest to the VMM. Same shape as the protocol's. */
export const exitBreakpointConfigSchema = z.strictObject({
  kind: kind.describe('The kind of exit: an MMIO access, an SBI call, a trap, …'),
  stage: z
    .enum(['pre', 'post'])
    .optional()
    .describe('`pre` (default) stops before the VMM handles the exit, `post` after.'),
  condition: z
    .string()
    .optional()
    .describe('Only exits that match, for example `device == "uart0" && write && value == 0x0a`.'),
  hitCount: z
    .int()
    .min(1)
    .optional()
    .describe('Hit at this many matches and after. 1 (default) is every match.'),
  action: z.enum(['stop', 'log']).optional().describe('`stop` (default), or `log` and go on.'),
  log: z
    .string()
    .optional()
    .describe('The text that `log` prints; `{value}` and the like are replaced by fields of the exit.'),
}) satisfies z.ZodType<ExitBreakpointInput>;
export type ExitBreakpointConfig = z.infer<typeof exitBreakpointConfigSchema>;

const symbolFileSchema = z.union([
  z.string(),
  z.strictObject({
    file: z.string().describe('An ELF file with symbols or DWARF.'),
    offset: z
      .union([z.int(), z.string().regex(/^-?(0x[0-9a-fA-F]+|\d+)$/)])
      .optional()
      .describe('Added to every address of the file: where it was loaded less where it was linked.'),
    space: z
      .enum(['any', 'virtual', 'physical'])
      .optional()
      .describe(
        'Where its addresses count: `physical` while translation is off (M-mode or satp Bare), `virtual` while it is on, `any` (default) always.',
      ),
  }),
]);
export type SymbolFileConfig = z.infer<typeof symbolFileSchema>;

/** One entry of `drives`. Unlike the protocol's, a drive that is not read-only is an overlay unless told otherwise. */
const driveConfigSchema = z.strictObject({
  file: z.string().describe('A disk image, raw or qcow2.'),
  if: z
    .enum(['virtio', 'pflash'])
    .optional()
    .describe("Where it is plugged in: a disk on virtio (default), or a bank of the board's flash, of two."),
  format: z.enum(['raw', 'qcow2']).optional().describe('Default: what its first bytes look like.'),
  readonly: z.boolean().optional().describe('The guest may not write. Default: false.'),
  overlay: z
    .boolean()
    .optional()
    .describe(
      'What the guest writes is kept for this session only and the image stays as it is (default, unless `readonly`). `false`: the image is changed.',
    ),
  snapshot: z
    .string()
    .optional()
    .describe('ID or name of an internal snapshot of a qcow2 image to start from.'),
});

const addressPattern = /^\d{1,3}(\.\d{1,3}){3}$/;

const forwardConfigSchema = z.strictObject({
  protocol: z.enum(['tcp', 'udp']).optional().describe('Default: tcp.'),
  hostAddress: z
    .string()
    .regex(addressPattern)
    .optional()
    .describe('Address of the host to listen on. Default: 127.0.0.1, so that nobody else gets in.'),
  hostPort: z.int().min(0).max(0xffff).describe('Port of the host; 0 for any that is free.'),
  guestAddress: z
    .string()
    .regex(addressPattern)
    .optional()
    .describe('Default: 10.0.2.15, the first address that DHCP gives.'),
  guestPort: z.int().min(1).max(0xffff).describe('Port of the guest.'),
});

const netConfigSchema = z.union([
  z.literal('user'),
  z.strictObject({
    forwards: z
      .array(forwardConfigSchema)
      .max(64)
      .optional()
      .describe('Ports of the host that lead to ports of the guest.'),
    capture: z
      .string()
      .optional()
      .describe('A pcapng file to write all frames to, as Wireshark and tshark read it.'),
  }),
]);

/** One entry of `shares`. Unlike the protocol's, it is read-only unless told otherwise. */
const shareConfigSchema = z.strictObject({
  folder: z.string().describe('A folder of the host.'),
  tag: z
    .string()
    .min(1)
    .max(31)
    .optional()
    .describe('What the guest mounts it by. Default: `share0`, `share1`, …'),
  readonly: z.boolean().optional().describe('Default: true. `false`: the guest may change what is in it.'),
});

const deviceConfigSchema = z.strictObject({
  type: z
    .enum(['rng', 'balloon', 'port', 'keyboard', 'tablet'])
    .describe(
      "`rng`: random bytes of the host's. `balloon`: takes memory from the guest. `port`: a console's port. `keyboard`, `tablet`: driven by a client of the VMM; Linux wants `virtio` to be `modern` for them.",
    ),
  size: z
    .union([z.int().min(0), z.string()])
    .optional()
    .describe('For `balloon`: how much it takes from the start, such as `"64M"`. Default: nothing.'),
  socket: z
    .string()
    .optional()
    .describe('For `port`: the UNIX socket at which a program of the host is its other end.'),
  name: z
    .string()
    .optional()
    .describe(
      'For `port`: a stream of bytes by this name (/dev/virtio-ports/NAME). Default: a terminal (/dev/hvc0).',
    ),
});

/** Keys that both requests take. */
const sharedKeys = {
  symbols: z
    .array(symbolFileSchema)
    .optional()
    .describe('Further ELF files to take symbols and lines from, such as firmware or user programs.'),
  sourceMap: z
    .record(z.string(), z.string())
    .optional()
    .describe(
      'Maps path prefixes in the debug information to folders here. Relative paths in it start at the folder of the ELF file, or at what `.` is mapped to.',
    ),
  exits: z
    .array(exitBreakpointConfigSchema)
    .optional()
    .describe('Breakpoints on exits from guest to VMM that are set from the start.'),
  vmm: z
    .string()
    .optional()
    .describe(
      'Address of a VMM that runs already, as `hartscope serve` prints it (unix:PATH or 127.0.0.1:PORT). Without it one is started.',
    ),
  vmmToken: z
    .string()
    .optional()
    .describe(
      "The running VMM's token file, as `hartscope serve` prints it. Default: where a VMM of the same user puts it.",
    ),
  cwd: z
    .string()
    .optional()
    .describe('The folder that relative paths start at. Default: the workspace folder.'),
};

/** What belongs to VS Code itself and to the compound of the configuration; not validated, not passed on. */
const EDITOR_KEYS = new Set([
  ...['type', 'request', 'name', 'presentation', 'preLaunchTask', 'postDebugTask', 'internalConsoleOptions'],
  ...[
    'debugServer',
    'serverReadyAction',
    'suppressMultipleSessionWarning',
    'windows',
    'osx',
    'linux',
    'noDebug',
  ],
]);

export const launchSchema = z.strictObject({
  kernel: z
    .string()
    .optional()
    .describe('The kernel: an ELF file or a raw image. An ELF goes where its headers say.'),
  program: z.string().optional().describe('Alias of `kernel`.'),
  firmware: z
    .string()
    .optional()
    .describe(
      '`builtin`: the VMM answers SBI calls and the kernel starts in S-mode (default). `none`: the kernel starts in M-mode. Else the path of an image that runs in M-mode, such as OpenSBI.',
    ),
  dtb: z.string().optional().describe("A device tree blob in place of the board's own."),
  initrd: z.string().optional().describe('An initial RAM disk.'),
  append: z.string().optional().describe("The kernel's command line (`bootargs`)."),
  drives: z
    .array(driveConfigSchema)
    .max(8)
    .optional()
    .describe(
      'Disks on virtio, in the order in which the guest finds them. What the guest writes is not kept, unless a drive says so.',
    ),
  net: netConfigSchema
    .optional()
    .describe(
      'A network card: `"user"` for a network that needs no rights (guest 10.0.2.15, host 10.0.2.2), or an object with its port forwards and a capture file.',
    ),
  devices: z
    .array(deviceConfigSchema)
    .max(8)
    .optional()
    .describe('Further devices on virtio, behind the disks and the network card.'),
  shares: z
    .array(shareConfigSchema)
    .max(8)
    .optional()
    .describe(
      'Folders of the host for the guest, read-only unless one says otherwise. In the guest: `mount -t 9p -o trans=virtio,version=9p2000.L TAG /mnt`.',
    ),
  virtio: z
    .enum(['legacy', 'modern'])
    .optional()
    .describe(
      "Registers of the virtio devices: `legacy` (default), as on QEMU's board, or `modern` (there: force-legacy=false).",
    ),
  harts: z.int().min(1).max(16).optional().describe('Number of harts, 1 to 16. Default: 1.'),
  memory: z
    .union([z.int().min(1 << 20), z.string().regex(/^\d+(\.\d+)?[KMG]?(i?B)?$/i)])
    .optional()
    .describe('RAM in bytes, or with a unit: `"128M"` (default), `"2G"`.'),
  isa: z
    .string()
    .optional()
    .describe(
      "The harts' extensions: an ISA string such as `rv64gc_zba_zbb`, which turns off all that it does not name, or changes to the default, such as `-zacas,+svade`. Default: all that there are, with A and D bits of page tables set by hardware.",
    ),
  time: z
    .enum(['wall', 'free'])
    .optional()
    .describe(
      '`wall` (default): timers keep pace with the clock on the wall. `free`: waiting takes no time, runs repeat exactly.',
    ),
  rtcStart: z
    .int()
    .min(0)
    .optional()
    .describe('Seconds since 1970 that the real-time clock starts from. Default: 0, so that runs repeat.'),
  snapshot: z
    .string()
    .optional()
    .describe(
      'A snapshot to start from. The machine is the one that was saved, so that nothing else needs to be said; the kernel, and other files that moved, may be named where they are now.',
    ),
  stopOnEntry: z.boolean().optional().describe("Stop before the kernel's first instruction. Default: false."),
  trace: z
    .union([z.boolean(), z.array(kind)])
    .optional()
    .describe(
      'Kinds of exit to trace; `true` (default) for mmio, sbi, irq, trap and system, `false` for none.',
    ),
  ...sharedKeys,
});
/** A launch configuration as the user wrote it, checked. */
export type LaunchInput = z.infer<typeof launchSchema>;

export const attachSchema = z.strictObject({
  ...sharedKeys,
  vmm: z
    .string()
    .describe('Address of the running VMM, as `hartscope serve` prints it: unix:PATH or 127.0.0.1:PORT.'),
  vm: z.string().optional().describe('Name of the virtual machine. Default: the only one there is.'),
  kernel: z
    .string()
    .optional()
    .describe('The ELF file to take symbols from. Default: the one the machine was started with.'),
  program: z.string().optional().describe('Alias of `kernel`.'),
  stopOnEntry: z.boolean().optional().describe('Pause the machine when attached. Default: false.'),
});
/** An attach configuration as the user wrote it, checked. */
export type AttachInput = z.infer<typeof attachSchema>;

/** @throws VmError `bad-config` with one line that names the key, what is wrong, and the nearest right key. */
export function parseLaunch(raw: unknown): LaunchInput {
  const input = parse(launchSchema, 'launch', raw);
  if (input.kernel !== undefined && input.program !== undefined && input.kernel !== input.program) {
    throw new VmError('bad-config', '"program" is another name for "kernel": give only one of them.');
  }
  const kernel = input.kernel ?? input.program;
  if (
    kernel === undefined &&
    input.snapshot === undefined &&
    (input.firmware === undefined || input.firmware === 'builtin' || input.firmware === 'none')
  ) {
    throw new VmError(
      'bad-config',
      'The launch configuration names nothing to run: add "kernel" with the path of an ELF file or raw image.',
    );
  }
  if (input.memory !== undefined) memoryBytes(input.memory);
  for (const [index, { readonly, overlay }] of (input.drives ?? []).entries()) {
    if (readonly !== true || overlay !== true) continue;
    throw new VmError('bad-config', `"drives[${index}]" is readonly and an overlay, which is for writing.`);
  }
  return kernel === undefined ? input : { ...input, kernel };
}

/** @throws VmError `bad-config`, as `parseLaunch`. */
export function parseAttach(raw: unknown): AttachInput {
  const input = parse(attachSchema, 'attach', raw);
  const kernel = input.kernel ?? input.program;
  return kernel === undefined ? input : { ...input, kernel };
}

const RAM_BYTES_MAX = 3.5 * 2 ** 30; // The board's RAM and what lies below it fit one WebAssembly memory.

/** Bytes of `128M`, `2G`, `65536`. @throws VmError `bad-config` when it is not a size the board can have. */
export function memoryBytes(memory: number | string): number {
  const match = /^(\d+(?:\.\d+)?)([KMG]?)(?:i?B)?$/i.exec(String(memory));
  const unit = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[match?.[2]?.toUpperCase() ?? ''] ?? 1;
  const bytes = match === null ? Number.NaN : Number(match[1]) * unit;
  if (!Number.isInteger(bytes) || bytes < 2 ** 20 || bytes > RAM_BYTES_MAX) {
    throw new VmError('bad-config', `"memory" is ${JSON.stringify(memory)}: it must be from "1M" to "3.5G".`);
  }
  return bytes;
}

/** JSON schemas (draft 7) for `contributes.debuggers[].configurationAttributes` of the manifest. */
export function configurationAttributes(): { launch: object; attach: object } {
  return { launch: attributes(launchSchema, []), attach: attributes(attachSchema, ['vmm']) };
}

function attributes(schema: z.ZodType, required: readonly string[]): object {
  const {
    $schema: _,
    additionalProperties: __,
    ...rest
  } = z.toJSONSchema(schema, { target: 'draft-7', io: 'input' });
  // VS Code adds its own keys (name, preLaunchTask, …) to the schema: forbidding others would flag those.
  return withDefaults({ ...rest, required: [...required] });
}

/** Values that completion inserts. */
const COMPLETION_DEFAULTS: Record<string, unknown> = {
  firmware: 'builtin',
  harts: 1,
  memory: '128M',
  drives: [{ file: 'disk.img' }],
  net: 'user',
  devices: [{ type: 'rng' }],
  shares: [{ folder: '.' }],
  time: 'wall',
  stopOnEntry: true,
  trace: true,
  exits: [{ kind: 'mmio', condition: 'device == "uart0" && write' }],
};

function withDefaults(schema: { properties?: Record<string, unknown>; required: string[] }): object {
  const properties = Object.entries(schema.properties ?? {}).map(([key, value]) => [
    key,
    key in COMPLETION_DEFAULTS ? { ...(value as object), default: COMPLETION_DEFAULTS[key] } : value,
  ]);
  return { ...schema, properties: Object.fromEntries(properties) };
}

function parse<T>(schema: z.ZodObject & z.ZodType<T>, request: string, raw: unknown): T {
  const given = Object.entries((raw ?? {}) as Record<string, unknown>).filter(
    ([key]) => !EDITOR_KEYS.has(key) && !key.startsWith('__'),
  );
  const result = schema.safeParse(Object.fromEntries(given), { reportInput: true });
  if (result.success) return result.data;
  // A wrong key first: it often is why another is missing.
  const { issues } = result.error;
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!;
  throw new VmError('bad-config', explain(issue, [], request, Object.keys(schema.shape)));
}

/** Keys of the objects inside a configuration, by the top-level key they stand under. */
const INNER_KEYS: Record<string, readonly string[]> = {
  exits: Object.keys(exitBreakpointConfigSchema.shape),
  symbols: ['file', 'offset', 'space'],
  drives: Object.keys(driveConfigSchema.shape),
  net: ['forwards', 'capture'],
  devices: Object.keys(deviceConfigSchema.shape),
  shares: Object.keys(shareConfigSchema.shape),
};

function explain(
  issue: z.core.$ZodIssue,
  outer: readonly PropertyKey[],
  request: string,
  keys: readonly string[],
): string {
  const path = [...outer, ...issue.path];
  const at = path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .slice(1);
  const where = `the ${request} configuration`;
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    const known = path.length === 0 ? keys : (INNER_KEYS[String(path[0])] ?? []);
    const near = nearest(key, known);
    const hint = near === undefined ? `. It takes ${known.join(', ')}.` : `: did you mean "${near}"?`;
    return `Unknown key "${key}" in ${at === '' ? where : `"${at}" of ${where}`}${hint}`;
  }
  if (issue.code === 'invalid_union') {
    // The branch that fits best is the one that complains of something inside the value, not of the value's type.
    const inner = issue.errors
      .map((branch) => branch[0]!)
      .find((one) => one.code !== 'invalid_type' || one.path.length > 0);
    if (inner !== undefined && !(at in PLAIN_TYPES)) return explain(inner, path, request, keys);
  }
  if (issue.input === undefined) {
    return `${upperFirst(where)} lacks "${at}"${at === 'vmm' ? ': the address that `hartscope serve` printed' : ''}.`;
  }
  const expected = PLAIN_TYPES[at] ?? lowerFirst(issue.message);
  return `"${at}" in ${where} is ${JSON.stringify(issue.input)}: ${expected}.`;
}

/** What to say of values that may be of several types. */
const PLAIN_TYPES: Record<string, string> = {
  memory: 'it must be a number of bytes, or a text such as "128M"',
  trace: `it must be true, false, or a list of ${AVAILABLE_EXIT_KINDS.join(', ')}`,
};

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1).replace(/\.$/, '');
const upperFirst = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
