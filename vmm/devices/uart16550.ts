import type { AccessSize, Device, IrqLine, RegisterDescription, Saved } from '../contracts/device.ts';
import { SavedReader } from './saved.ts';

export interface UartPorts {
  readonly irq: IrqLine;
  /** A byte the guest sent. */
  output(byte: number): void;
}

/** Bytes of the receive FIFO (NS16550A data sheet, "FIFO Operation"). */
const FIFO_SIZE = 16;
/** Typed bytes that wait for room in the FIFO. A paste larger than this loses its end, as a serial line does. */
export const UART_BACKLOG_MAX = 1 << 20;

const IER = { received: 1, transmitEmpty: 2, lineStatus: 4, modemStatus: 8 } as const;
const LCR_DLAB = 0x80;
const MCR_LOOPBACK = 0x10;
const LSR = { dataReady: 0x01, overrun: 0x02, transmitEmpty: 0x20, idle: 0x40 } as const;
/** Bits of LSR that reading it clears, and that raise the line status interrupt. */
const LSR_ERRORS = 0x1e;
/** Carrier, data set ready and clear to send: a terminal is always there. */
const MSR_CONNECTED = 0xb0;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;
/** A divisor for 115200 baud from a 22 MHz clock would be 2; QEMU starts with 12, and nothing depends on it. */
const DIVISOR_AT_RESET = 12;

/**
 * An NS16550A UART with 16-byte FIFO, byte-wide registers a byte apart (National Semiconductor's data sheet
 * PC16550D; device tree binding `ns16550a`). Bytes leave at once, so the transmitter is always empty; a
 * received byte below the FIFO's trigger level counts as timed out at once.
 */
export class Uart16550 implements Device {
  readonly registers = REGISTERS;
  readonly #ports: UartPorts;
  #ier = 0;
  #fifoEnabled = false;
  #triggerLevel = 1;
  #lcr = 0;
  #mcr = 0;
  #lineErrors = 0;
  #msr = MSR_CONNECTED;
  #scratch = 0;
  #divisor = DIVISOR_AT_RESET;
  /** The transmitter became empty since IIR last said so. */
  #transmitPending = false;
  #fifo: number[] = [];
  #backlog: number[] = [];
  #irq = false;

  constructor(ports: UartPorts) {
    this.#ports = ports;
  }

  /** Bytes from the other end of the line. Returns how many were taken; see `UART_BACKLOG_MAX`. */
  receive(data: Uint8Array): number {
    const taken = Math.min(data.length, UART_BACKLOG_MAX - this.#backlog.length);
    for (let index = 0; index < taken; index += 1) this.#backlog.push(data[index]!);
    this.#refill();
    this.#update();
    return taken;
  }

  /** Takes the next received byte as a read of RBR would; undefined when there is none. */
  takeReceived(): number | undefined {
    if (this.#fifo.length === 0) return undefined;
    const byte = this.#fifo.shift();
    this.#refill();
    this.#update();
    return byte;
  }

  registerName(offset: number, write: boolean): string | undefined {
    const dlab = (this.#lcr & LCR_DLAB) !== 0;
    if (offset === 0) return dlab ? 'DLL' : write ? 'THR' : 'RBR';
    if (offset === 1) return dlab ? 'DLM' : 'IER';
    return undefined;
  }

  read(offset: number, _size: AccessSize): number {
    const value = this.peek(offset, 1);
    const dlab = (this.#lcr & LCR_DLAB) !== 0;
    if (offset === 0 && !dlab) this.takeReceived();
    // Reading IIR clears the transmitter's interrupt when IIR says that it is this one (data sheet, table 4).
    if (offset === 2 && this.#interruptId() === IIR.transmitEmpty) this.#transmitPending = false;
    if (offset === 5) this.#lineErrors = 0;
    if (offset === 6) this.#msr &= 0xf0;
    this.#update();
    return value;
  }

  peek(offset: number, _size: AccessSize): number {
    const dlab = (this.#lcr & LCR_DLAB) !== 0;
    switch (offset) {
      case 0:
        return dlab ? this.#divisor & 0xff : (this.#fifo[0] ?? 0);
      case 1:
        return dlab ? this.#divisor >> 8 : this.#ier;
      case 2:
        return this.#interruptId() | (this.#fifoEnabled ? 0xc0 : 0);
      case 3:
        return this.#lcr;
      case 4:
        return this.#mcr;
      case 5:
        return this.#lineStatus();
      case 6:
        return this.#modemStatus();
      case 7:
        return this.#scratch;
      default:
        return 0;
    }
  }

  write(offset: number, _size: AccessSize, value: number): void {
    const byte = value & 0xff;
    const dlab = (this.#lcr & LCR_DLAB) !== 0;
    switch (offset) {
      case 0:
        if (dlab) this.#divisor = (this.#divisor & 0xff00) | byte;
        else this.#transmit(byte);
        break;
      case 1:
        if (dlab) this.#divisor = (this.#divisor & 0x00ff) | (byte << 8);
        else this.#writeInterruptEnable(byte);
        break;
      case 2:
        this.#writeFifoControl(byte);
        break;
      case 3:
        this.#lcr = byte;
        break;
      case 4:
        this.#mcr = byte & 0x1f;
        this.#refill();
        break;
      case 7:
        this.#scratch = byte;
        break;
      // LSR and MSR are read-only in normal operation.
    }
    this.#update();
  }

  reset(): void {
    this.#ier = 0;
    this.#fifoEnabled = false;
    this.#triggerLevel = 1;
    this.#lcr = 0;
    this.#mcr = 0;
    this.#lineErrors = 0;
    this.#msr = MSR_CONNECTED;
    this.#scratch = 0;
    this.#divisor = DIVISOR_AT_RESET;
    this.#transmitPending = false;
    this.#fifo = [];
    this.#backlog = [];
    this.#update();
  }

  save(): Saved {
    return {
      version: 1,
      ier: this.#ier,
      fifoEnabled: this.#fifoEnabled,
      triggerLevel: this.#triggerLevel,
      lcr: this.#lcr,
      mcr: this.#mcr,
      lineErrors: this.#lineErrors,
      msr: this.#msr,
      scratch: this.#scratch,
      divisor: this.#divisor,
      transmitPending: this.#transmitPending,
      fifo: [...this.#fifo],
      backlog: [...this.#backlog],
    };
  }

  restore(saved: Saved): void {
    const from = new SavedReader(saved, 'the UART', 1);
    this.#ier = from.number('ier');
    this.#fifoEnabled = from.boolean('fifoEnabled');
    this.#triggerLevel = from.number('triggerLevel');
    this.#lcr = from.number('lcr');
    this.#mcr = from.number('mcr');
    this.#lineErrors = from.number('lineErrors');
    this.#msr = from.number('msr');
    this.#scratch = from.number('scratch');
    this.#divisor = from.number('divisor');
    this.#transmitPending = from.boolean('transmitPending');
    this.#fifo = [...from.numbers('fifo', { maximum: FIFO_SIZE })];
    this.#backlog = [...from.numbers('backlog', { maximum: UART_BACKLOG_MAX })];
    this.#update();
  }

  #transmit(byte: number): void {
    this.#transmitPending = false;
    if ((this.#mcr & MCR_LOOPBACK) !== 0) {
      if (this.#fifo.length < this.#capacity) this.#fifo.push(byte);
      else {
        this.#lineErrors |= LSR.overrun;
        // Without FIFO the new character destroys the previous one; a full FIFO keeps what it has (data sheet, "Overrun Error").
        if (!this.#fifoEnabled) this.#fifo = [byte];
      }
    } else {
      this.#ports.output(byte);
    }
    this.#transmitPending = true;
  }

  #writeInterruptEnable(byte: number): void {
    // Enabling the transmitter's interrupt while it is empty raises it (data sheet, "Interrupt Enable Register").
    if ((byte & IER.transmitEmpty) !== 0 && (this.#ier & IER.transmitEmpty) === 0)
      this.#transmitPending = true;
    this.#ier = byte & 0x0f;
  }

  #writeFifoControl(byte: number): void {
    const enabled = (byte & 1) !== 0;
    // Changing the FIFO's enable clears it, and so does the reset bit.
    if (enabled !== this.#fifoEnabled || (byte & 2) !== 0) {
      this.#fifo = [];
      this.#fifoEnabled = enabled;
      this.#refill();
    }
    this.#triggerLevel = enabled ? TRIGGER_LEVELS[byte >> 6]! : 1;
  }

  get #capacity(): number {
    return this.#fifoEnabled ? FIFO_SIZE : 1;
  }

  #refill(): void {
    if ((this.#mcr & MCR_LOOPBACK) !== 0 || this.#backlog.length === 0) return;
    const room = this.#capacity - this.#fifo.length;
    if (room > 0) this.#fifo.push(...this.#backlog.splice(0, room));
  }

  #lineStatus(): number {
    const ready = this.#fifo.length > 0 ? LSR.dataReady : 0;
    return LSR.transmitEmpty | LSR.idle | ready | this.#lineErrors;
  }

  /** In loopback the modem inputs are the outputs: DTR, RTS, OUT1 and OUT2 (data sheet, "Modem Control Register"). */
  #modemStatus(): number {
    if ((this.#mcr & MCR_LOOPBACK) === 0) return this.#msr;
    const { [0]: dtr, [1]: rts, [2]: out1, [3]: out2 } = [1, 2, 4, 8].map((bit) => (this.#mcr & bit) !== 0);
    return (rts ? 0x10 : 0) | (dtr ? 0x20 : 0) | (out1 ? 0x40 : 0) | (out2 ? 0x80 : 0);
  }

  /** The pending interrupt of highest priority as the low nibble of IIR (data sheet, table 4). */
  #interruptId(): number {
    if ((this.#ier & IER.lineStatus) !== 0 && (this.#lineErrors & LSR_ERRORS) !== 0) return IIR.lineStatus;
    if ((this.#ier & IER.received) !== 0 && this.#fifo.length > 0) {
      return this.#fifo.length >= this.#triggerLevel ? IIR.received : IIR.timeout;
    }
    if ((this.#ier & IER.transmitEmpty) !== 0 && this.#transmitPending) return IIR.transmitEmpty;
    if ((this.#ier & IER.modemStatus) !== 0 && (this.#msr & 0x0f) !== 0) return IIR.modemStatus;
    return IIR.none;
  }

  #update(): void {
    const level = this.#interruptId() !== IIR.none;
    if (level === this.#irq) return;
    this.#irq = level;
    this.#ports.irq.set(level);
  }
}

const IIR = {
  modemStatus: 0x0,
  none: 0x1,
  transmitEmpty: 0x2,
  received: 0x4,
  lineStatus: 0x6,
  timeout: 0xc,
} as const;

const flag = (name: string, bit: number, description: string) => ({ name, low: bit, high: bit, description });

const REGISTERS: readonly RegisterDescription[] = [
  { name: 'RBR', offset: 0, size: 1, access: 'read', description: 'Receiver buffer' },
  { name: 'THR', offset: 0, size: 1, access: 'write', description: 'Transmitter holding' },
  {
    name: 'IER',
    offset: 1,
    size: 1,
    description: 'Interrupt enable',
    fields: [
      flag('ERBFI', 0, 'received data'),
      flag('ETBEI', 1, 'transmitter empty'),
      flag('ELSI', 2, 'line status'),
      flag('EDSSI', 3, 'modem status'),
    ],
  },
  {
    name: 'IIR',
    offset: 2,
    size: 1,
    access: 'read',
    description: 'Interrupt identification',
    fields: [
      {
        name: 'ID',
        low: 0,
        high: 3,
        values: {
          0: 'modem status',
          1: 'none pending',
          2: 'transmitter empty',
          4: 'received data',
          6: 'line status',
          12: 'character timeout',
        },
      },
      { name: 'FIFO', low: 6, high: 7, values: { 0: 'disabled', 3: 'enabled' } },
    ],
  },
  {
    name: 'FCR',
    offset: 2,
    size: 1,
    access: 'write',
    description: 'FIFO control',
    fields: [
      flag('ENABLE', 0, 'FIFOs enabled'),
      flag('RXRST', 1, 'clear the receive FIFO'),
      flag('TXRST', 2, 'clear the transmit FIFO'),
      {
        name: 'TRIGGER',
        low: 6,
        high: 7,
        values: { 0: '1 byte', 1: '4 bytes', 2: '8 bytes', 3: '14 bytes' },
      },
    ],
  },
  {
    name: 'LCR',
    offset: 3,
    size: 1,
    description: 'Line control',
    fields: [
      { name: 'WLS', low: 0, high: 1, values: { 0: '5 bits', 1: '6 bits', 2: '7 bits', 3: '8 bits' } },
      flag('STB', 2, 'two stop bits'),
      flag('PEN', 3, 'parity'),
      flag('EPS', 4, 'even parity'),
      flag('STICK', 5, 'stick parity'),
      flag('BREAK', 6, 'send a break'),
      flag('DLAB', 7, 'divisor latch at offsets 0 and 1'),
    ],
  },
  {
    name: 'MCR',
    offset: 4,
    size: 1,
    description: 'Modem control',
    fields: [
      flag('DTR', 0, 'data terminal ready'),
      flag('RTS', 1, 'request to send'),
      flag('OUT1', 2, 'output 1'),
      flag('OUT2', 3, 'output 2'),
      flag('LOOP', 4, 'loopback'),
    ],
  },
  {
    name: 'LSR',
    offset: 5,
    size: 1,
    access: 'read',
    description: 'Line status',
    fields: [
      flag('DR', 0, 'data ready'),
      flag('OE', 1, 'overrun'),
      flag('PE', 2, 'parity error'),
      flag('FE', 3, 'framing error'),
      flag('BI', 4, 'break'),
      flag('THRE', 5, 'transmitter holding register empty'),
      flag('TEMT', 6, 'transmitter empty'),
    ],
  },
  {
    name: 'MSR',
    offset: 6,
    size: 1,
    access: 'read',
    description: 'Modem status',
    fields: [
      flag('DCTS', 0, 'CTS changed'),
      flag('DDSR', 1, 'DSR changed'),
      flag('TERI', 2, 'RI ended'),
      flag('DDCD', 3, 'DCD changed'),
      flag('CTS', 4, 'clear to send'),
      flag('DSR', 5, 'data set ready'),
      flag('RI', 6, 'ring indicator'),
      flag('DCD', 7, 'carrier'),
    ],
  },
  { name: 'SCR', offset: 7, size: 1, description: 'Scratch' },
];
