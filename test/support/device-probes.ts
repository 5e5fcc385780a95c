import { at, PROBE_BUFFER, type ProbeOperation, TRAPPED, wait } from './device-probe.ts';

const uart = at(0x1000_0000);
const plic = at(0xc00_0000);
const test = at(0x10_0000);
const rtc = at(0x10_1000);
const flash0 = at(0x2000_0000);
const flash1 = at(0x2200_0000);

const UART = { data: 0, ier: 1, iir: 2, fcr: 2, lcr: 3, mcr: 4, lsr: 5, msr: 6, scratch: 7 } as const;
const uartRead = (register: keyof typeof UART): ProbeOperation => uart.read(UART[register], 1);
const uartWrite = (register: keyof typeof UART, value: number): ProbeOperation =>
  uart.write(UART[register], value, 1);
/** The PLIC's word of pending sources 0 to 31: bit 10 is the UART's. */
const pending = plic.read(0x1000);
const uartState = (): ProbeOperation[] => [uartRead('iir'), uartRead('lsr'), uartRead('msr'), pending];

/** Long enough for a host's thread; and for four characters at 9600 baud, a FIFO's timeout. */
const [SOON, LATER] = [wait(10_000), wait(100_000)];

export interface DeviceProbe {
  readonly name: string;
  readonly operations: readonly ProbeOperation[];
  /** How QEMU differs and why that is no reason to do likewise; `hide` makes both alike. */
  readonly differs?: {
    readonly why: string;
    /** Only from this version on. */
    readonly since?: number;
    readonly hide: (value: bigint, operation: ProbeOperation) => bigint;
  };
}

/** QEMU's devices refuse accesses of sizes that they do not expect; here such an access has no effect and reads as zero. */
const REFUSED: NonNullable<DeviceProbe['differs']> = {
  why: 'QEMU answers accesses of other sizes, and offsets behind the registers, with a fault',
  hide: (value) => (value >= TRAPPED ? 0n : value),
};

const all = (...parts: readonly (ProbeOperation | readonly ProbeOperation[])[]): ProbeOperation[] =>
  parts.flat();
const bytes = [0x00, 0x01, 0x55, 0x80, 0xaa, 0xff];

/** Brings the UART to one state, whatever was before: 9600 baud, no interrupts, 8 bits, FIFO empty and off, nothing latched. */
const UART_RESET = [
  uartWrite('lcr', 0x83),
  uartWrite('data', 12),
  uartWrite('ier', 0),
  uartWrite('lcr', 0x03),
  uartWrite('ier', 0),
  uartWrite('mcr', 0),
  uartWrite('fcr', 0x07),
  uartWrite('fcr', 0),
  uartRead('lsr'),
  uartRead('msr'),
  uartRead('iir'),
];

/** In loopback what is sent is received, and no line of the machine's own takes part. */
const UART_PROBES: readonly DeviceProbe[] = resetBefore(UART_RESET, [
  {
    name: 'every register at power-on',
    operations: [...Array(8).keys()].map((offset) => uart.read(offset, 1)),
    differs: {
      why: "the data sheet's MCR is zero after a reset; QEMU sets OUT2, which a PC's interrupt line needs",
      hide: (value, operation) => (isRead(operation, UART.mcr) ? 0n : value),
    },
  },
  {
    name: 'what registers keep',
    operations: (['ier', 'lcr', 'mcr', 'scratch'] as const).flatMap((register) =>
      bytes.flatMap((value) => [
        uartWrite('lcr', 0x03),
        uartWrite(register, value),
        uartRead(register),
        uartWrite('lcr', 0x03),
        uartWrite('mcr', 0),
        uartWrite('ier', 0),
      ]),
    ),
  },
  {
    name: 'read-only registers',
    operations: all(uartWrite('lsr', 0), uartRead('lsr'), uartWrite('msr', 0), uartRead('msr')),
  },
  {
    name: 'divisor latch',
    operations: all(
      uartWrite('lcr', 0x83),
      uartRead('data'),
      uartRead('ier'),
      uartWrite('data', 0x12),
      uartWrite('ier', 0x34),
      uartRead('data'),
      uartRead('ier'),
      uartWrite('lcr', 0x03),
      uartRead('ier'),
    ),
  },
  {
    name: 'loopback: modem lines',
    operations: Array.from({ length: 16 }, (_, lines) => [
      uartWrite('mcr', 0x10 | lines),
      uartRead('msr'),
      uartRead('msr'),
    ]).flat(),
  },
  {
    name: 'loopback: modem lines do not reach the outside',
    operations: all(uartWrite('mcr', 0x1f), uartRead('msr'), uartWrite('mcr', 0x0f), uartRead('msr')),
  },
  {
    name: 'loopback: a byte, without FIFO',
    operations: all(
      uartWrite('mcr', 0x10),
      uartWrite('data', 0x41),
      SOON,
      uartState(),
      uartRead('data'),
      uartState(),
    ),
  },
  {
    name: 'loopback: overrun without FIFO',
    operations: all(
      uartWrite('mcr', 0x10),
      uartWrite('data', 0x41),
      SOON,
      uartWrite('data', 0x42),
      SOON,
      uartRead('lsr'),
      uartRead('lsr'),
      uartRead('data'),
      uartRead('lsr'),
    ),
  },
  {
    name: 'loopback: FIFO of 16, overrun behind',
    operations: all(
      uartWrite('fcr', 0x01),
      uartWrite('mcr', 0x10),
      Array.from({ length: 17 }, (_, index) => [uartWrite('data', 0x40 + index), SOON]).flat(),
      uartRead('lsr'),
      uartRead('lsr'),
      Array.from({ length: 17 }, () => [uartRead('data'), uartRead('lsr')]).flat(),
    ),
  },
  ...[0x01, 0x41, 0x81, 0xc1].map((fcr) => ({
    name: `loopback: trigger level of FCR 0x${fcr.toString(16)}`,
    operations: all(
      uartWrite('fcr', fcr),
      uartWrite('ier', 0x01),
      uartWrite('mcr', 0x18),
      Array.from({ length: 15 }, (_, index) => [
        uartWrite('data', index),
        LATER,
        uartRead('iir'),
        pending,
      ]).flat(),
    ),
    differs: {
      why: 'a timeout is told as such only below the trigger level: above it the data itself is the reason',
      hide: (value: bigint, operation: ProbeOperation) => (isRead(operation, UART.iir) ? value & ~8n : value),
    },
  })),
  {
    name: 'FIFO control: enabling shows in IIR, clearing empties',
    operations: all(
      uartRead('iir'),
      uartWrite('fcr', 0x01),
      uartRead('iir'),
      uartWrite('mcr', 0x10),
      uartWrite('data', 0x41),
      SOON,
      uartRead('lsr'),
      uartWrite('fcr', 0x03),
      uartRead('lsr'),
      uartWrite('data', 0x42),
      SOON,
      uartRead('lsr'),
      uartWrite('fcr', 0x00),
      uartRead('lsr'),
      uartRead('iir'),
    ),
  },
  {
    name: 'transmitter interrupt: raised by its enable, ended by IIR and by data',
    operations: all(
      pending,
      uartWrite('ier', 0x02),
      pending,
      uartRead('iir'),
      uartRead('iir'),
      uartWrite('ier', 0x00),
      uartWrite('ier', 0x02),
      uartRead('iir'),
      uartWrite('mcr', 0x10),
      uartWrite('data', 0x41),
      SOON,
      uartRead('iir'),
      uartRead('iir'),
    ),
  },
  {
    name: 'priorities: line status, data, transmitter, modem',
    operations: all(
      uartWrite('mcr', 0x10),
      uartRead('msr'),
      uartWrite('ier', 0x0f),
      uartWrite('data', 1),
      SOON,
      uartWrite('data', 2),
      SOON,
      uartWrite('mcr', 0x13),
      uartRead('iir'),
      uartRead('lsr'),
      uartRead('iir'),
      uartRead('data'),
      uartRead('iir'),
      uartRead('iir'),
      uartRead('msr'),
      uartRead('iir'),
    ),
  },
  {
    name: 'a wide access',
    operations: all(uart.read(4, 4), uart.read(4, 2), uart.read(4, 8)),
  },
]);

const RTC = {
  timeLow: 0,
  timeHigh: 4,
  alarmLow: 8,
  alarmHigh: 12,
  irqEnabled: 16,
  clearAlarm: 20,
  alarmStatus: 24,
  clearInterrupt: 28,
} as const;
const rtcRead = (register: keyof typeof RTC): ProbeOperation => rtc.read(RTC[register]);
const rtcWrite = (register: keyof typeof RTC, value: number): ProbeOperation =>
  rtc.write(RTC[register], value);

const RTC_PROBES: readonly DeviceProbe[] = [
  {
    name: 'registers at power-on, but for the time',
    operations: [8, 12, 16, 20, 24, 28, 32, 0x100, 0xffc].map((offset) => rtc.read(offset)),
    differs: REFUSED,
  },
  {
    name: 'the time that was set, its high word',
    operations: all(
      rtcWrite('timeHigh', 0x1234_5678),
      rtcWrite('timeLow', 0),
      rtcRead('timeLow'),
      rtcRead('timeHigh'),
    ).map((operation, index) => (index === 2 ? wait(0) : operation)),
  },
  {
    name: 'an alarm in the past rings at once',
    operations: all(
      rtcWrite('irqEnabled', 1),
      rtcRead('irqEnabled'),
      rtcWrite('alarmHigh', 0),
      rtcRead('alarmStatus'),
      rtcWrite('alarmLow', 1),
      SOON,
      rtcRead('alarmStatus'),
      pending,
      rtcWrite('clearInterrupt', 1),
      pending,
    ),
  },
  {
    name: 'an alarm in the future waits, and can be cleared',
    operations: all(
      rtcWrite('irqEnabled', 1),
      rtcWrite('alarmHigh', 0x6000_0000),
      rtcWrite('alarmLow', 5),
      rtcRead('alarmHigh'),
      rtcRead('alarmLow'),
      pending,
      rtcRead('alarmStatus'),
      rtcWrite('clearAlarm', 1),
      rtcRead('alarmStatus'),
      rtcRead('alarmHigh'),
      rtcRead('alarmLow'),
    ),
  },
  {
    name: 'an alarm whose interrupt is off, then on',
    operations: all(
      rtcWrite('alarmHigh', 0),
      rtcWrite('alarmLow', 1),
      SOON,
      pending,
      rtcWrite('irqEnabled', 1),
      pending,
      rtcWrite('irqEnabled', 0),
      rtcRead('irqEnabled'),
      rtcWrite('irqEnabled', 3),
      rtcRead('irqEnabled'),
    ),
  },
  {
    name: 'accesses of other sizes, and between registers',
    operations: all(
      rtc.read(16, 1),
      rtc.read(16, 2),
      rtc.read(18, 2),
      rtc.write(16, 1, 1),
      rtc.read(16),
      rtc.write(16, 1, 2),
      rtc.read(16),
    ),
    differs: REFUSED,
  },
];

const TEST_PROBES: readonly DeviceProbe[] = [
  {
    name: 'reads, and writes that mean nothing',
    operations: all(
      test.read(0),
      test.read(4),
      test.write(0, 0x1234),
      test.write(4, 0x5555),
      test.read(0xffc),
      test.read(0, 2),
      test.read(0, 1),
    ),
    differs: REFUSED,
  },
];

/** A command to both chips of a bank. */
const chips = (value: number): number => value | (value << 16);
const QUERY = Array.from({ length: 0x60 }, (_, address) => flash0.read(address * 4));

/** Flash without a file is a ROM of zeros to QEMU's `virt`, and answers commands nevertheless. */
const FLASH_PROBES: readonly DeviceProbe[] = [
  {
    name: 'CFI query',
    operations: all(flash0.write(0x154, chips(0x98)), QUERY, flash0.write(0, chips(0xff)), flash0.read(0)),
  },
  {
    name: 'identifier',
    operations: all(
      flash1.write(0, chips(0x90)),
      [0, 4, 8, 12, 16, 0x400, 0x4_0000, 0x4_0004].map((offset) => flash1.read(offset)),
      flash1.write(0, chips(0xff)),
      flash1.read(0),
    ),
  },
  {
    name: 'status and its clearing',
    operations: all(
      flash1.read(0),
      flash1.write(0, chips(0x70)),
      flash1.read(0),
      flash1.read(1, 1),
      flash1.read(2, 2),
      flash1.write(0, chips(0x50)),
      flash1.read(0),
      flash1.write(0, chips(0x70)),
      flash1.read(0),
    ),
  },
];

/** The bank that holds a file, erased and programmed. */
const BLOCK = 0x4_0000;
const FLASH_WRITES: readonly DeviceProbe[] = [
  {
    name: 'what the file holds',
    operations: [0, 4, 0x1_0000, BLOCK, 0x1ff_fffc].map((offset) => flash0.read(offset)),
  },
  {
    name: 'programs a word, a halfword, a byte',
    operations: all(
      ([4, 2, 1] as const).flatMap((size, index) => [
        flash0.write(0x100 + 8 * index, chips(0x40)),
        flash0.write(0x100 + 8 * index, 0x1234_56ff, size),
        flash0.read(0x100 + 8 * index),
      ]),
      flash0.write(0, chips(0xff)),
      [0x100, 0x108, 0x110].map((offset) => flash0.read(offset)),
    ),
  },
  {
    name: 'erases a block, and no more',
    operations: all(
      flash0.write(BLOCK + 0x120, chips(0x20)),
      flash0.read(BLOCK),
      flash0.write(BLOCK, chips(0xd0)),
      flash0.read(BLOCK),
      flash0.write(0, chips(0xff)),
      [BLOCK - 4, BLOCK, 2 * BLOCK - 4, 2 * BLOCK].map((offset) => flash0.read(offset)),
    ),
  },
  {
    name: 'programs by way of the buffer',
    operations: all(
      flash0.write(BLOCK, chips(0xe8)),
      flash0.read(BLOCK),
      flash0.write(BLOCK, chips(3)),
      [1, 2, 3, 4].map((value) => flash0.write(BLOCK + 4 * value, chips(value * 0x1111))),
      flash0.write(BLOCK, chips(0xd0)),
      flash0.read(BLOCK),
      flash0.write(0, chips(0xff)),
      [0, 1, 2, 3, 4, 5].map((index) => flash0.read(BLOCK + 4 * index)),
    ),
  },
  {
    name: 'erasing that is not confirmed, locking, what it does not know',
    operations: all(
      flash0.write(0, chips(0x60)),
      flash0.write(0, chips(0xd0)),
      flash0.read(0),
      flash0.write(0, chips(0x60)),
      flash0.write(0, chips(0xff)),
      flash0.read(0),
      flash0.write(0, chips(0x33)),
      flash0.read(0),
      flash0.write(0, chips(0xf0)),
      flash0.read(0),
      flash0.write(0, 0),
      flash0.read(0),
    ),
  },
];

const fwCfg = at(0x1010_0000);
/** The selector is big-endian. */
const select = (key: number): ProbeOperation => fwCfg.write(8, ((key & 0xff) << 8) | (key >> 8), 2);
const item = (key: number, reads: number): ProbeOperation[] => [
  select(key),
  ...Array.from({ length: reads }, () => fwCfg.read(0, 8)),
];
const swapped = (value: number): number =>
  Buffer.from([value >>> 24, value >>> 16, value >>> 8, value]).readUInt32LE();

/** Requests of DMA, 32 bytes apart in the buffer: control, length, target. */
const [READ, SKIP, SELECT, WRITE] = [2, 4, 8, 16];
const NOWHERE = 0x10;
const TARGET = 0x800;
const REQUESTS: readonly (readonly [name: string, control: number, length: number, target?: number])[] = [
  ['selects and reads', SELECT | READ, 4],
  ['reads behind the end', READ, 8],
  ['selects, skips', (0x19 << 16) | SELECT | SKIP, 12],
  ['reads on', READ, 13],
  ['reads an item that there is not', (0x3333 << 16) | SELECT | READ, 4],
  ['only selects', (1 << 16) | SELECT, 4],
  ['writes what is not for writing', (0x20 << 16) | SELECT | WRITE, 4],
  ['reads and skips at once', SELECT | READ | SKIP, 4],
  ['nothing', 0, 4],
  ['reads nothing to nowhere', SELECT | READ, 0, NOWHERE],
];

export const DMA_BUFFER_BYTES = 0x1000;

/** The buffer with the requests in it. */
export function dmaRequests(base: number): Uint8Array {
  const bytes = new Uint8Array(DMA_BUFFER_BYTES).fill(0xaa);
  const view = new DataView(bytes.buffer);
  for (const [index, [, control, length, target]] of REQUESTS.entries()) {
    view.setUint32(index * 32, control);
    view.setUint32(index * 32 + 4, length);
    view.setBigUint64(index * 32 + 8, BigInt(target ?? base + TARGET + index * 64));
  }
  return bytes;
}

const MORE_FILES: NonNullable<DeviceProbe['differs']> = {
  why: 'QEMU has tables of ACPI and SMBIOS there from version 8 on',
  since: 8,
  hide: () => 0n,
};

const FW_CFG_PROBES: readonly DeviceProbe[] = [
  { name: 'signature and features', operations: [...item(0, 2), ...item(1, 2)] },
  { name: 'identity, harts, boot menu', operations: [2, 5, 0x0e].flatMap((key) => item(key, 3)) },
  { name: 'the directory of files', operations: item(0x19, 26), differs: MORE_FILES },
  {
    name: 'a file',
    operations: [0x20, 0x21, 0x22, 0x23].flatMap((key) => item(key, 2)),
    differs: MORE_FILES,
  },
  {
    name: 'keys that there are not',
    operations: [0x1f, 0x3fff, 0x8000, 0xffff].flatMap((key) => item(key, 1)),
  },
  { name: 'a key for writing', operations: item(0x4000, 1) },
  {
    name: 'reads of every size',
    operations: [select(0), ...([1, 2, 4, 8, 1, 1, 8, 4, 2] as const).map((size) => fwCfg.read(0, size))],
  },
  {
    name: 'that there is DMA',
    operations: [fwCfg.read(16, 8), fwCfg.read(16), fwCfg.read(20), fwCfg.read(17, 1)],
  },
  {
    name: 'accesses of other sizes and places',
    operations: [select(0), fwCfg.read(8, 2), fwCfg.read(8, 1), fwCfg.write(8, 1, 1), fwCfg.read(0, 1)],
    differs: REFUSED,
  },
  {
    name: 'without graphics',
    operations: item(4, 1),
    differs: { why: 'the board has no screen, QEMU has one that nobody shows', hide: () => 0n },
  },
  {
    name: 'the size of memory',
    operations: item(3, 1),
    differs: {
      why: 'firmware of other boards asks for it here; virt tells it by the device tree alone',
      hide: () => 0n,
    },
  },
  {
    name: 'DMA',
    operations: REQUESTS.flatMap((_, index) => [
      fwCfg.write(16, 0),
      fwCfg.write(20, swapped(PROBE_BUFFER + index * 32)),
      fwCfg.read(0, 1),
    ]),
  },
];

export interface DeviceProbes {
  readonly device: string;
  readonly probes: readonly DeviceProbe[];
  /** The first bank of flash holds `flashContents()`. */
  readonly flash?: true;
  /** The buffer holds `dmaRequests()`. */
  readonly dma?: true;
}

export const DEVICE_PROBES: readonly DeviceProbes[] = [
  { device: 'uart0', probes: UART_PROBES },
  { device: 'rtc', probes: RTC_PROBES },
  { device: 'test', probes: TEST_PROBES },
  { device: 'flash', probes: FLASH_PROBES },
  { device: 'flash with a file', probes: FLASH_WRITES, flash: true },
  { device: 'fw-cfg', probes: FW_CFG_PROBES, dma: true },
];

/** QEMU starts in the first bank where it has a file: at a jump to RAM. addi t0, zero, 1; slli t0, t0, 31; jr t0. */
const JUMP = [0x0010_0293, 0x01f2_9293, 0x0002_8067];

/** A whole bank. */
export function flashContents(): Uint8Array {
  const bytes = new Uint8Array(32 << 20);
  for (let index = 0; index < bytes.length; index += 4) bytes[index] = (index >> 8) & 0xff;
  const view = new DataView(bytes.buffer);
  for (const [index, instruction] of JUMP.entries()) view.setUint32(index * 4, instruction, true);
  return bytes;
}

function isRead(operation: ProbeOperation, register: number): boolean {
  return operation.kind === 'read' && (operation.address & 7) === register && operation.address < 0x1000_1000;
}

/** All but the first begin from a state that the operations make. */
function resetBefore(reset: readonly ProbeOperation[], probes: readonly DeviceProbe[]): DeviceProbe[] {
  return probes.map((probe, index) =>
    index === 0 ? probe : { ...probe, operations: [...reset, ...probe.operations] },
  );
}
