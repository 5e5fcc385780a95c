import { type Command, columns } from './arguments.ts';

export const RUN = {
  name: 'run',
  summary: 'runs a machine without an editor; the UART is the terminal',
  usage: 'run --kernel FILE [OPTION]…',
  options: [
    { name: 'kernel', value: 'FILE', help: 'ELF file or raw image' },
    {
      name: 'firmware',
      value: 'FILE',
      help: "image that starts in M-mode; 'builtin' (the default with a kernel)\nanswers SBI calls; 'none' starts the kernel in M-mode",
    },
    { name: 'dtb', value: 'FILE', help: 'device tree blob in place of the generated one' },
    { name: 'initrd', value: 'FILE', help: 'initial RAM disk' },
    { name: 'append', value: 'TEXT', help: "kernel command line: --append='console=ttyS0 …'" },
    {
      name: 'drive',
      value: 'FILE[,KEY…]',
      help: 'a disk on virtio, raw or qcow2; may be repeated. Keys:\nformat=raw|qcow2 (else its first bytes tell), readonly,\noverlay (writes are kept for this run only), snapshot=NAME\n(in a qcow2 image, to start from); ,, stands for a comma',
    },
    { name: 'harts', value: 'N', help: '1 to 16 harts (default 1)' },
    { name: 'memory', value: 'SIZE', help: 'RAM, such as 128M (the default) or 2G' },
    {
      name: 'isa',
      value: 'TEXT',
      help: "the harts' extensions: rv64gc_zba_zbb and no others, or changes to the\ndefault, which is all: --isa=-zacas,+svade",
    },
    {
      name: 'time',
      value: 'free|wall',
      help: "'free': waiting takes no time, and runs repeat; 'wall': timers keep pace\nwith the clock on the wall (the default at a terminal)",
    },
    {
      name: 'translator',
      value: 'on|off',
      help: "'off' interprets everything; the guest sees no difference but speed",
    },
    { name: 'max-instructions', value: 'N', help: 'stop after N steps, with status 124' },
    { name: 'stats', value: 'json', help: 'one line of figures on stderr at the end' },
    { name: 'trace', value: 'FILE', help: 'write every exit to FILE, one JSON object a line' },
  ],
  notes: [
    'Ctrl-A x leaves, Ctrl-A a sends Ctrl-A. End of file on stdin does not end the run.',
    [
      'Exit status:',
      ...columns([
        ['0', 'the guest powered off or passed, or Ctrl-A x'],
        ['1 to 123', "the guest failed with this code; 1 for codes beyond (--stats has the guest's own)"],
        ['124', '--max-instructions ran out'],
        ['2', 'a wrong option or file'],
      ]),
    ].join('\n'),
  ],
} as const satisfies Command;

export const SERVE = {
  name: 'serve',
  summary: 'the VMM, for debug adapters and views',
  usage: 'serve [--listen ADDRESS] [--stay]',
  options: [
    {
      name: 'listen',
      value: 'ADDRESS',
      help: 'unix:PATH, 127.0.0.1:PORT or [::1]:PORT; port 0 picks a free one\n(default: a socket in a folder that only you can read)',
    },
    { name: 'stay', help: 'do not end at end of file on stdin' },
  ],
  notes: [
    'Prints one line of JSON: address, tokenFile, pid and version. Clients send the token as\n"Authorization: Bearer TOKEN". Ends at end of file on stdin, or on SIGINT, SIGTERM or SIGHUP;\nthen its machines end, and socket and token are removed.',
  ],
} as const satisfies Command;

export const DAP = {
  name: 'dap',
  summary: 'the debug adapter, for any DAP client',
  usage: 'dap [--port N]',
  options: [{ name: 'port', value: 'N', help: 'listen on this loopback port instead of speaking on stdio' }],
} as const satisfies Command;

export const INSPECT = {
  name: 'inspect',
  summary: 'what a kernel image, device tree or trace holds',
  usage: 'inspect FILE',
  options: [],
  operands: ['FILE'],
} as const satisfies Command;

export const COMMANDS = [RUN, SERVE, DAP, INSPECT] as const;
export type CommandName = (typeof COMMANDS)[number]['name'];

/** `hartscope --help`. */
export function overview(version: string): string {
  return [
    `Hartscope ${version}: a debugger for bare metal. It runs RISC-V 64 guests on QEMU's virt board.`,
    '',
    'Usage: hartscope COMMAND [OPTION]…',
    '',
    ...columns(COMMANDS.map(({ name, summary }) => [name, summary])),
    '',
    "'hartscope COMMAND --help' tells a command's options; --version prints the version.",
    '',
  ].join('\n');
}
