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
      help: "a disk on virtio, raw or qcow2; may be repeated. Keys:\nif=virtio|pflash (one of the board's two banks of flash),\nformat=raw|qcow2 (else its first bytes tell), readonly,\noverlay (writes are kept for this run only), snapshot=NAME\n(in a qcow2 image, to start from); ,, stands for a comma",
    },
    {
      name: 'net',
      value: 'user[,KEY…]',
      help: "a network card on virtio; the guest is 10.0.2.15, the host 10.0.2.2, the\nname server 10.0.2.3. Keys:\nhostfwd=tcp|udp:[ADDR]:PORT-[ADDR]:PORT (a port of the host's, by default\non 127.0.0.1, that leads to one of the guest's; may be repeated),\npcap=FILE (a capture of all frames). Needs --time wall, the default then",
    },
    {
      name: 'device',
      value: 'KIND[,KEY…]',
      help: "one more device on virtio; may be repeated:\n  rng                           random bytes of the host's\n  balloon[,size=SIZE]           takes memory from the guest\n  port,socket=PATH[,name=NAME]  a console's port: hvc0, or with a name\n                                /dev/virtio-ports/NAME; its other end is\n                                who connects to the UNIX socket PATH\n  keyboard, tablet              driven by a client of the VMM; Linux wants\n                                --virtio modern for them",
    },
    {
      name: 'share',
      value: 'DIR[,KEY…]',
      help: 'a folder of the host for the guest; may be repeated. Keys: tag=TAG (by\ndefault share0, share1, …), readonly. In the guest:\nmount -t 9p -o trans=virtio,version=9p2000.L TAG /mnt',
    },
    {
      name: 'virtio',
      value: 'legacy|modern',
      help: "registers of the virtio devices (default legacy, as on QEMU's board;\nmodern is its force-legacy=false)",
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
    {
      name: 'snapshot',
      value: 'FILE',
      help: 'go on from a snapshot: the machine, its files and options are in it; only\npaths of what moved, --net, --device, --time and --trace may be said anew',
    },
    {
      name: 'save-snapshot',
      value: 'FILE',
      help: 'write a snapshot at the end, and where Ctrl-A s is typed',
    },
    { name: 'stats', value: 'json', help: 'one line of figures on stderr at the end' },
    { name: 'trace', value: 'FILE', help: 'write every exit to FILE, one JSON object a line' },
  ],
  notes: [
    'Ctrl-A x leaves, Ctrl-A s writes a snapshot, Ctrl-A a sends Ctrl-A. The end of stdin ends no run.',
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
  summary: 'what a kernel image, device tree, snapshot or trace holds',
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
