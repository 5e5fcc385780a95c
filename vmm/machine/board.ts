import type { Device, IrqLine } from '../contracts/device.ts';
import type { GuestDma } from '../contracts/dma.ts';
import type { ExitSink } from '../contracts/exits.ts';
import { type Hart, INTERRUPT } from '../contracts/hart.ts';
import { Aclint } from '../devices/aclint.ts';
import { Flash, type FlashStore } from '../devices/flash.ts';
import { FwCfg } from '../devices/fw-cfg.ts';
import type { FwCfgConfig } from '../devices/fw-cfg-items.ts';
import { GoldfishRtc } from '../devices/goldfish-rtc.ts';
import { OpenBus } from '../devices/open-bus.ts';
import { PcieEcam } from '../devices/pcie-ecam.ts';
import { Plic, type PlicEvent } from '../devices/plic.ts';
import { Rom } from '../devices/rom.ts';
import { SifiveTest } from '../devices/sifive-test.ts';
import { Uart16550 } from '../devices/uart16550.ts';
import type { VirtioDevice } from '../devices/virtio/device.ts';
import { MEMORY_MAP, type Region } from './memory-map.ts';
import { placeVirtioDevices } from './virtio-slots.ts';

/** What the board needs of the machine around it. */
export interface BoardPorts {
  /** Read when a device acts: the harts are made after the board. */
  readonly harts: () => readonly Hart[];
  readonly exits: ExitSink;
  /** The hart whose instruction is being executed, or the last one. */
  readonly currentHart: () => number;
  /** Ticks of the machine's clock since reset. */
  readonly ticks: () => bigint;
  /** Nanoseconds since 1970 by the machine's clock. */
  readonly clockNs: () => bigint;
  readonly rom: Uint8Array;
  /** What the banks of flash keep; a bank without a store forgets. */
  readonly flash: readonly FlashStore[];
  readonly firmwareConfig: FwCfgConfig;
  readonly dma: GuestDma;
  /** In the order in which a guest finds them. */
  readonly virtio: readonly VirtioDevice[];
  /** What one of them asks its host for, by its place. */
  readonly fromHost: (device: number, ask: () => Uint8Array) => Uint8Array;
  /** The virtio slots have version 1 of the registers. */
  readonly legacy: boolean;
  /** A monotonic clock for the handler times of exits. */
  readonly nowNs: () => number;
  consoleOutput(byte: number): void;
  finish(how: 'pass' | 'fail' | 'reset', code: number): void;
  /** A hart's machine timer, or the RTC's alarm, is due at another time than before. */
  deadlinesChanged(): void;
}

/** A device in its place. */
export interface Placed {
  readonly region: Region;
  readonly device: Device;
}

/** The devices of `virt`, wired to each other and to the harts as the memory map says. */
export class Board {
  readonly placed: readonly Placed[];
  readonly uart: Uart16550;
  readonly aclint: Aclint;
  readonly plic: Plic;
  readonly rtc: GoldfishRtc;
  readonly #ports: BoardPorts;

  constructor(harts: number, ports: BoardPorts) {
    this.#ports = ports;
    this.plic = new Plic(2 * harts, {
      setTarget: (context, level) => {
        const bit = (context & 1) === 0 ? INTERRUPT.MEIP : INTERRUPT.SEIP;
        ports.harts()[context >> 1]!.setInterrupt(bit, level);
      },
      transition: (source, event, effect) => this.#transition(source, event, effect),
    });
    this.aclint = new Aclint(harts, {
      setSoftwareInterrupt: (hart, level) => ports.harts()[hart]!.setInterrupt(INTERRUPT.MSIP, level),
      ticks: ports.ticks,
      timerChanged: () => ports.deadlinesChanged(),
    });
    const output = (byte: number): void => ports.consoleOutput(byte);
    this.uart = new Uart16550({ irq: this.#line(MEMORY_MAP.uart), output });
    const alarmChanged = (): void => ports.deadlinesChanged();
    this.rtc = new GoldfishRtc({ irq: this.#line(MEMORY_MAP.rtc), nowNs: ports.clockNs, alarmChanged });
    const test = new SifiveTest({ finish: (how, code) => ports.finish(how, code) });
    const place = (region: Region, device: Device): Placed => ({ region, device });
    // The interrupt controller last: a reset lowers the devices' lines before it looks at them.
    this.placed = [
      place(MEMORY_MAP.uart, this.uart),
      place(MEMORY_MAP.rtc, this.rtc),
      place(MEMORY_MAP.test, test),
      ...placeVirtioDevices(ports.virtio, { ...ports, line: (source) => this.#source(source) }),
      ...MEMORY_MAP.flash.map((region, bank) => place(region, new Flash(region.size, ports.flash[bank]))),
      place(MEMORY_MAP.fwCfg, new FwCfg(ports.firmwareConfig, ports.dma)),
      place(MEMORY_MAP.pcieEcam, new PcieEcam()),
      place(MEMORY_MAP.pcieIo, new OpenBus()),
      place(MEMORY_MAP.pcieMmio, new OpenBus()),
      place(MEMORY_MAP.rom, new Rom(ports.rom)),
      place(MEMORY_MAP.clint, this.aclint),
      place(MEMORY_MAP.plic, this.plic),
    ];
  }

  reset(): void {
    for (const { device } of this.placed) device.reset();
  }

  #line(region: Region): IrqLine {
    return this.#source(region.irqs[0]!);
  }

  #source(source: number): IrqLine {
    return { set: (level) => this.plic.setLine(source, level) };
  }

  /** Every change of an interrupt source is an exit of the hart that caused it. */
  #transition(line: number, event: PlicEvent, effect: () => void): void {
    const { exits } = this.#ports;
    const hart = this.#ports.currentHart();
    const exit = { kind: 'irq', line, device: SOURCE_NAMES.get(line) ?? `source ${line}`, event } as const;
    if (exits.watches('irq', 'pre')) exits.report(hart, 'pre', exit, 0);
    exits.count(hart, 'irq');
    effect();
    if (exits.watches('irq', 'post')) exits.report(hart, 'post', exit, 0);
  }
}

/** Who drives a source of the PLIC. */
const SOURCE_NAMES: ReadonlyMap<number, string> = new Map(
  [...Object.values(MEMORY_MAP).flat()].flatMap((region) =>
    region.irqs.map((irq): [number, string] => [irq, region.name]),
  ),
);
