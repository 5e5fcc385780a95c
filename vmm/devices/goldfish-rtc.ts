import type { AccessSize, Device, IrqLine, RegisterDescription, Saved } from '../contracts/device.ts';
import { SavedReader } from './saved.ts';

export interface GoldfishRtcPorts {
  readonly irq: IrqLine;
  /** Nanoseconds since 1970 by the machine's own clock. */
  nowNs(): bigint;
  /** `alarmNs` changed. */
  alarmChanged(): void;
}

const REGISTER = {
  timeLow: 0x00,
  timeHigh: 0x04,
  alarmLow: 0x08,
  alarmHigh: 0x0c,
  irqEnabled: 0x10,
  clearAlarm: 0x14,
  alarmStatus: 0x18,
  clearInterrupt: 0x1c,
} as const;

/** Android's Goldfish real-time clock (Goldfish virtual hardware, "Goldfish RTC"): nanoseconds in two words. */
export class GoldfishRtc implements Device {
  readonly registers = REGISTERS;
  readonly #ports: GoldfishRtcPorts;
  /** Added to the machine's clock by software that sets the time. */
  #offset = 0n;
  /** Latched by reads of the low word, so that both halves are of one moment. */
  #timeHigh = 0;
  #alarm = 0n;
  #armed = false;
  #pending = false;
  #enabled = false;
  #irq = false;

  constructor(ports: GoldfishRtcPorts) {
    this.#ports = ports;
  }

  /** When the alarm rings, by the clock of `GoldfishRtcPorts.nowNs`; `tick` is to be called then. */
  get alarmNs(): bigint | null {
    return this.#armed ? this.#alarm - this.#offset : null;
  }

  /** Rings the alarm if its time has come. */
  tick(): void {
    if (!this.#armed || this.#now() < this.#alarm) return;
    this.#armed = false;
    this.#pending = true;
    this.#update();
    this.#ports.alarmChanged();
  }

  read(offset: number, size: AccessSize): number {
    const value = this.peek(offset, size);
    if (offset === REGISTER.timeLow && size === 4) this.#timeHigh = Number(this.#now() >> 32n);
    return value;
  }

  peek(offset: number, size: AccessSize): number {
    if (size !== 4) return 0;
    switch (offset) {
      case REGISTER.timeLow:
        return Number(this.#now() & 0xffff_ffffn);
      case REGISTER.timeHigh:
        return this.#timeHigh;
      case REGISTER.alarmLow:
        return Number(this.#alarm & 0xffff_ffffn);
      case REGISTER.alarmHigh:
        return Number(this.#alarm >> 32n);
      case REGISTER.irqEnabled:
        return Number(this.#enabled);
      case REGISTER.alarmStatus:
        return Number(this.#armed);
      default:
        return 0;
    }
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (size !== 4) return;
    const word = BigInt(value >>> 0);
    switch (offset) {
      case REGISTER.timeLow:
        this.#setTime((this.#now() & ~0xffff_ffffn) | word);
        break;
      case REGISTER.timeHigh:
        this.#setTime((this.#now() & 0xffff_ffffn) | (word << 32n));
        break;
      case REGISTER.alarmHigh:
        this.#alarm = (this.#alarm & 0xffff_ffffn) | (word << 32n);
        break;
      case REGISTER.alarmLow:
        // Software writes the high word first; the low one arms the alarm.
        this.#alarm = (this.#alarm & ~0xffff_ffffn) | word;
        this.#armed = true;
        this.tick();
        break;
      case REGISTER.irqEnabled:
        this.#enabled = (value & 1) !== 0;
        break;
      case REGISTER.clearAlarm:
        this.#armed = false;
        break;
      case REGISTER.clearInterrupt:
        this.#pending = false;
        break;
    }
    this.#update();
    this.#ports.alarmChanged();
  }

  /** The clock has a battery: its time survives a reset. */
  reset(): void {
    this.#timeHigh = 0;
    this.#alarm = 0n;
    this.#armed = false;
    this.#pending = false;
    this.#enabled = false;
    this.#update();
    this.#ports.alarmChanged();
  }

  save(): Saved {
    return {
      version: 1,
      offset: this.#offset,
      timeHigh: this.#timeHigh,
      alarm: this.#alarm,
      armed: this.#armed,
      pending: this.#pending,
      enabled: this.#enabled,
    };
  }

  restore(saved: Saved): void {
    const from = new SavedReader(saved, 'the RTC', 1);
    this.#offset = from.bigint('offset');
    this.#timeHigh = from.number('timeHigh');
    this.#alarm = from.bigint('alarm');
    this.#armed = from.boolean('armed');
    this.#pending = from.boolean('pending');
    this.#enabled = from.boolean('enabled');
    this.#update();
    this.#ports.alarmChanged();
  }

  #now(): bigint {
    return BigInt.asUintN(64, this.#ports.nowNs() + this.#offset);
  }

  #setTime(time: bigint): void {
    this.#offset = BigInt.asIntN(64, time - this.#ports.nowNs());
  }

  #update(): void {
    const level = this.#pending && this.#enabled;
    if (level === this.#irq) return;
    this.#irq = level;
    this.#ports.irq.set(level);
  }
}

const REGISTERS: readonly RegisterDescription[] = [
  { name: 'TIME_LOW', offset: 0x00, size: 4, description: 'Nanoseconds since 1970; latches TIME_HIGH' },
  { name: 'TIME_HIGH', offset: 0x04, size: 4, description: 'High word of the time last read' },
  { name: 'ALARM_LOW', offset: 0x08, size: 4, description: 'Low word of the alarm; a write arms it' },
  { name: 'ALARM_HIGH', offset: 0x0c, size: 4, description: 'High word of the alarm' },
  {
    name: 'IRQ_ENABLED',
    offset: 0x10,
    size: 4,
    fields: [{ name: 'ENABLED', low: 0, high: 0, description: 'the alarm interrupts' }],
  },
  { name: 'CLEAR_ALARM', offset: 0x14, size: 4, access: 'write', description: 'Disarms the alarm' },
  {
    name: 'ALARM_STATUS',
    offset: 0x18,
    size: 4,
    access: 'read',
    fields: [{ name: 'ARMED', low: 0, high: 0, values: { 0: 'off', 1: 'armed' } }],
  },
  { name: 'CLEAR_INTERRUPT', offset: 0x1c, size: 4, access: 'write', description: 'Acknowledges the alarm' },
];
