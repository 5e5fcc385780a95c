import { PLIC_SOURCE_MAX } from '../devices/plic.ts';
import { BLOCK_BYTES } from '../hart/index.ts';
import { type IsaConfig, isaExtensions, isaString } from '../isa/extensions.ts';
import { EVENT, PERFORMANCE_EVENTS } from '../isa/performance-events.ts';
import { cells64, encodeFdt, type FdtNode, type FdtValue, fdtChild, fdtNode, fdtValue } from './fdt.ts';
import { MEMORY_MAP, RAM_BASE, type Region } from './memory-map.ts';

/** What the device tree says beyond the board itself. */
export interface DeviceTreeOptions {
  readonly harts: number;
  /** Bytes of RAM. */
  readonly memory: number;
  /** What the harts have. */
  readonly isa: IsaConfig;
  readonly chosen: ChosenOptions;
}

/** What `/chosen` tells the kernel (Devicetree Specification, "/chosen Node"; Linux's `linux,initrd-*`). */
export interface ChosenOptions {
  readonly append?: string | undefined;
  readonly initrd?: { readonly start: bigint; readonly end: bigint } | undefined;
}

/** The ticks of `mtime` in a second. */
export const TIMEBASE_FREQUENCY = 10_000_000;

/** Interrupt numbers of a hart's own controller, as `interrupts-extended` lists them. */
const LOCAL = { machineSoftware: 3, machineTimer: 7, supervisorExternal: 9, machineExternal: 11 } as const;

/** Phandles, numbered as QEMU does: two a hart from the last to the first, then the controllers. */
interface Phandles {
  readonly cpu: (hart: number) => number;
  readonly intc: (hart: number) => number;
  readonly plic: number;
  readonly test: number;
}

/** The device tree blob of the board: the shape of QEMU's `virt`, made from the memory map. */
export function buildDeviceTree(options: DeviceTreeOptions): Uint8Array {
  return encodeFdt(deviceTree(options));
}

/** Adds command line and initrd to a tree the user gave, as QEMU does with `-dtb`. */
export function withChosen(root: FdtNode, chosen: ChosenOptions): FdtNode {
  const entries = chosenProperties(chosen).map(([name, value]): [string, Uint8Array] => [
    name,
    fdtValue(value),
  ]);
  const existing = fdtChild(root, 'chosen');
  const node: FdtNode = {
    name: 'chosen',
    properties: new Map([...(existing?.properties ?? []), ...entries]),
    children: existing?.children ?? [],
  };
  return { ...root, children: [...root.children.filter((child) => child !== existing), node] };
}

function deviceTree(options: DeviceTreeOptions): FdtNode {
  const { harts, memory, isa, chosen } = options;
  const phandles: Phandles = {
    cpu: (hart) => 1 + 2 * (harts - 1 - hart),
    intc: (hart) => 2 + 2 * (harts - 1 - hart),
    plic: 2 * harts + 1,
    test: 2 * harts + 2,
  };
  return fdtNode(
    '',
    { '#address-cells': [2], '#size-cells': [2], compatible: 'riscv-virtio', model: 'riscv-virtio,qemu' },
    [
      deviceNode('fw-cfg', MEMORY_MAP.fwCfg, { 'dma-coherent': true }),
      flashNode(),
      fdtNode('chosen', Object.fromEntries(chosenProperties(chosen))),
      syscon('poweroff', 0x5555, phandles.test),
      syscon('reboot', 0x7777, phandles.test),
      platformBus(phandles.plic),
      fdtNode(unit('memory', RAM_BASE), {
        device_type: 'memory',
        reg: [...cells64(RAM_BASE), ...cells64(memory)],
      }),
      cpusNode(harts, isa, phandles),
      ...(isa.has('zihpm') ? [pmuNode()] : []),
      socNode(harts, phandles),
    ],
  );
}

const unit = (name: string, address: bigint | number): string => `${name}@${address.toString(16)}`;
const reg = (region: Region): number[] => [...cells64(region.base), ...cells64(region.size)];

function deviceNode(
  name: string,
  region: Region,
  more: Readonly<Record<string, FdtValue>>,
  interruptParent?: number,
): FdtNode {
  const interrupts =
    interruptParent === undefined || region.irqs.length === 0
      ? {}
      : { interrupts: region.irqs, 'interrupt-parent': [interruptParent] };
  return fdtNode(unit(name, region.base), {
    ...interrupts,
    reg: reg(region),
    compatible: region.compatible,
    ...more,
  });
}

function chosenProperties({ append, initrd }: ChosenOptions): [string, FdtValue][] {
  return [
    ...(append === undefined ? [] : ([['bootargs', append]] as [string, FdtValue][])),
    ...(initrd === undefined
      ? []
      : ([
          ['linux,initrd-start', cells64(initrd.start)],
          ['linux,initrd-end', cells64(initrd.end)],
        ] as [string, FdtValue][])),
    ['stdout-path', `/soc/${unit('serial', MEMORY_MAP.uart.base)}`],
  ];
}

function flashNode(): FdtNode {
  return fdtNode(unit('flash', MEMORY_MAP.flash[0]!.base), {
    'bank-width': [4],
    reg: MEMORY_MAP.flash.flatMap(reg),
    compatible: MEMORY_MAP.flash[0]!.compatible,
  });
}

const syscon = (name: string, value: number, regmap: number): FdtNode =>
  fdtNode(name, { value: [value], offset: [0], regmap: [regmap], compatible: `syscon-${name}` });

/** Where QEMU puts devices that are plugged in at run time; nothing is. */
function platformBus(plic: number): FdtNode {
  const { base, size } = MEMORY_MAP.platformBus;
  return fdtNode(unit('platform-bus', base), {
    'interrupt-parent': [plic],
    ranges: [0, ...cells64(base), size],
    '#address-cells': [1],
    '#size-cells': [1],
    compatible: [MEMORY_MAP.platformBus.compatible, 'simple-bus'],
  });
}

function cpusNode(harts: number, isa: IsaConfig, phandles: Phandles): FdtNode {
  const numbers = Array.from({ length: harts }, (_, hart) => hart);
  const cpus = numbers.map((hart) =>
    fdtNode(
      `cpu@${hart.toString(16)}`,
      {
        phandle: [phandles.cpu(hart)],
        device_type: 'cpu',
        reg: [hart],
        status: 'okay',
        compatible: 'riscv',
        ...blockSizes(isa),
        'riscv,isa-extensions': isaExtensions(isa),
        'riscv,isa-base': 'rv64i',
        'riscv,isa': isaString(isa),
        'mmu-type': 'riscv,sv57',
      },
      [
        fdtNode('interrupt-controller', {
          '#interrupt-cells': [1],
          'interrupt-controller': true,
          compatible: 'riscv,cpu-intc',
          phandle: [phandles.intc(hart)],
        }),
      ],
    ),
  );
  const cores = numbers.map((hart) => fdtNode(`core${hart}`, { cpu: [phandles.cpu(hart)] }));
  return fdtNode(
    'cpus',
    { '#address-cells': [1], '#size-cells': [0], 'timebase-frequency': [TIMEBASE_FREQUENCY] },
    [...cpus, fdtNode('cpu-map', {}, [fdtNode('cluster0', {}, cores)])],
  );
}

/** The cache-block sizes of the extensions that need them (Linux's binding "riscv/cpus.yaml"). */
function blockSizes(isa: IsaConfig): Record<string, FdtValue> {
  const sized = ['zicbop', 'zicboz', 'zicbom'].filter((name) => isa.has(name));
  return Object.fromEntries(sized.map((name) => [`riscv,${name.slice(2)}-block-size`, [BLOCK_BYTES]]));
}

/**
 * What counts which event (OpenSBI, "PMU support"): cycles and instructions a fixed counter or a programmable one, by
 * SBI's numbers, which are their selectors too; all other events by their selectors, on programmable counters.
 */
function pmuNode(): FdtNode {
  const programmable = 0xffff_fff8;
  const named = [
    { event: EVENT.cycles, fixed: 1 },
    { event: EVENT.instructions, fixed: 4 },
  ];
  const raw = PERFORMANCE_EVENTS.filter(({ code }) => code > EVENT.instructions);
  const everyBit = cells64(0xffff_ffff_ffff_ffffn);
  return fdtNode('pmu', {
    'riscv,raw-event-to-mhpmcounters': raw.flatMap(({ code }) => [
      ...cells64(code),
      ...everyBit,
      programmable,
    ]),
    'riscv,event-to-mhpmcounters': named.flatMap(({ event, fixed }) => [event, event, programmable | fixed]),
    compatible: 'riscv,pmu',
  });
}

function socNode(harts: number, phandles: Phandles): FdtNode {
  const each = (...numbers: number[]): number[] =>
    Array.from({ length: harts }, (_, hart) =>
      numbers.flatMap((number) => [phandles.intc(hart), number]),
    ).flat();
  return fdtNode(
    'soc',
    { '#address-cells': [2], '#size-cells': [2], compatible: 'simple-bus', ranges: true },
    [
      deviceNode('rtc', MEMORY_MAP.rtc, {}, phandles.plic),
      deviceNode('serial', MEMORY_MAP.uart, { 'clock-frequency': [3_686_400] }, phandles.plic),
      fdtNode(unit('test', MEMORY_MAP.test.base), {
        phandle: [phandles.test],
        reg: reg(MEMORY_MAP.test),
        compatible: [MEMORY_MAP.test.compatible, 'sifive,test0', 'syscon'],
      }),
      pciNode(phandles.plic),
      ...MEMORY_MAP.virtio.toReversed().map((slot) => deviceNode('virtio_mmio', slot, {}, phandles.plic)),
      fdtNode(unit('plic', MEMORY_MAP.plic.base), {
        phandle: [phandles.plic],
        'riscv,ndev': [PLIC_SOURCE_MAX],
        reg: reg(MEMORY_MAP.plic),
        'interrupts-extended': each(LOCAL.machineExternal, LOCAL.supervisorExternal),
        'interrupt-controller': true,
        compatible: [MEMORY_MAP.plic.compatible, 'riscv,plic0'],
        '#address-cells': [0],
        '#interrupt-cells': [1],
      }),
      fdtNode(unit('clint', MEMORY_MAP.clint.base), {
        'interrupts-extended': each(LOCAL.machineSoftware, LOCAL.machineTimer),
        reg: reg(MEMORY_MAP.clint),
        compatible: [MEMORY_MAP.clint.compatible, 'riscv,clint0'],
      }),
    ],
  );
}

/** The PCIe host (IEEE 1275 PCI binding): four slots share four interrupts, turned by one a slot. */
function pciNode(plic: number): FdtNode {
  const { pcieEcam, pcieIo, pcieMmio } = MEMORY_MAP;
  const map = [0, 1, 2, 3].flatMap((slot) =>
    [1, 2, 3, 4].flatMap((pin) => [slot << 11, 0, 0, pin, plic, pcieEcam.irqs[(slot + pin - 1) % 4]!]),
  );
  const io = [0x0100_0000, ...cells64(0), ...cells64(pcieIo.base), ...cells64(pcieIo.size)];
  const mmio = [0x0200_0000, ...cells64(pcieMmio.base), ...cells64(pcieMmio.base), ...cells64(pcieMmio.size)];
  return fdtNode(unit('pci', pcieEcam.base), {
    'interrupt-map-mask': [0x1800, 0, 0, 7],
    'interrupt-map': map,
    ranges: [...io, ...mmio],
    reg: reg(pcieEcam),
    'dma-coherent': true,
    'bus-range': [0, 0xff],
    'linux,pci-domain': [0],
    device_type: 'pci',
    compatible: pcieEcam.compatible,
    '#size-cells': [2],
    '#interrupt-cells': [1],
    '#address-cells': [3],
  });
}
