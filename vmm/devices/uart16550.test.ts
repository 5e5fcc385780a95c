import { beforeEach, describe, expect, test } from 'vitest';
import { UART_BACKLOG_MAX, Uart16550 } from './uart16550.ts';

const RBR = 0;
const THR = 0;
const IER = 1;
const IIR = 2;
const FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

let sent: number[];
let irq: boolean[];
let uart: Uart16550;

beforeEach(() => {
  sent = [];
  irq = [];
  uart = new Uart16550({ irq: { set: (level) => irq.push(level) }, output: (byte) => sent.push(byte) });
});

const type = (text: string): number => uart.receive(new TextEncoder().encode(text));
const read = (offset: number): number => uart.read(offset, 1);
const write = (offset: number, value: number): void => uart.write(offset, 1, value);
const received = (count: number): string =>
  String.fromCharCode(...Array.from({ length: count }, () => read(RBR)));

describe('transmitting', () => {
  test('bytes leave at once and the transmitter is always empty', () => {
    for (const byte of [0x68, 0x69, 0x1ff]) write(THR, byte);
    expect(sent).toEqual([0x68, 0x69, 0xff]);
    expect(read(LSR)).toBe(0x60);
  });

  test('the transmitter interrupts when enabled, until IIR names it', () => {
    write(IER, 2);
    expect(irq).toEqual([true]);
    expect(read(IIR)).toBe(0x02);
    expect(read(IIR)).toBe(0x01);
    expect(irq).toEqual([true, false]);
    write(THR, 0x41);
    expect(read(IIR)).toBe(0x02);
    // Writing the enable again while it is set raises nothing.
    write(IER, 2);
    expect(read(IIR)).toBe(0x01);
  });

  test('peeking at IIR does not acknowledge', () => {
    write(IER, 2);
    expect(uart.peek(IIR, 1)).toBe(0x02);
    expect(uart.peek(IIR, 1)).toBe(0x02);
    expect(irq).toEqual([true]);
  });
});

describe('receiving', () => {
  test('one byte at a time without the FIFO, the rest waits', () => {
    expect(type('abc')).toBe(3);
    expect(read(LSR) & 1).toBe(1);
    expect(uart.peek(RBR, 1)).toBe(0x61);
    expect(received(3)).toBe('abc');
    expect(read(LSR) & 1).toBe(0);
    expect(read(RBR)).toBe(0);
  });

  test('the interrupt follows the data, and outranks the transmitter', () => {
    write(IER, 3);
    read(IIR);
    irq.length = 0;
    type('x');
    expect(irq).toEqual([true]);
    write(THR, 0);
    expect(read(IIR)).toBe(0x04);
    read(RBR);
    expect(read(IIR)).toBe(0x02);
  });

  test('with the FIFO, IIR tells a full trigger level from a timeout', () => {
    write(FCR, 0x41); // enabled, trigger at 4
    write(IER, 1);
    type('abc');
    expect(read(IIR)).toBe(0xcc);
    type('d');
    expect(read(IIR)).toBe(0xc4);
    read(RBR);
    expect(read(IIR)).toBe(0xcc);
    received(3);
    expect(read(IIR)).toBe(0xc1);
  });

  test('the FIFO holds 16 and takes up what waits as there is room', () => {
    write(FCR, 1);
    const text = 'The quick brown fox jumps over the lazy dog';
    type(text);
    expect((uart.save()['fifo'] as number[]).length).toBe(16);
    expect(received(text.length)).toBe(text);
  });

  test('resetting the receive FIFO drops 16 bytes, not what is still on the line', () => {
    write(FCR, 1);
    type('0123456789abcdefGH');
    write(FCR, 3);
    expect(received(2)).toBe('GH');
  });

  test('a paste beyond the bound loses its end', () => {
    expect(uart.receive(new Uint8Array(UART_BACKLOG_MAX + 5))).toBe(UART_BACKLOG_MAX);
  });
});

describe('loopback', () => {
  test('sends to itself, not to the line, and overruns', () => {
    write(MCR, 0x10);
    write(FCR, 1);
    type('outside');
    for (let byte = 0; byte < 17; byte += 1) write(THR, byte);
    expect(sent).toEqual([]);
    expect(read(LSR)).toBe(0x63);
    expect(read(LSR)).toBe(0x61);
    expect(Array.from({ length: 16 }, () => read(RBR))).toEqual([...Array(16).keys()]);
    write(MCR, 0);
    expect(received(7)).toBe('outside');
  });

  test('an overrun interrupts with the highest priority', () => {
    write(MCR, 0x10);
    write(IER, 0x05);
    write(THR, 1);
    write(THR, 2);
    expect(read(IIR)).toBe(0x06);
    read(LSR);
    expect(read(IIR)).toBe(0x04);
  });

  test('modem inputs show the outputs', () => {
    expect(read(MSR)).toBe(0xb0);
    for (const [mcr, msr] of [
      [0x11, 0x20],
      [0x12, 0x10],
      [0x14, 0x40],
      [0x18, 0x80],
    ] as const) {
      write(MCR, mcr);
      expect(read(MSR)).toBe(msr);
    }
  });
});

describe('registers', () => {
  test('the divisor latch stands before data and interrupt enable', () => {
    write(IER, 0x0f);
    write(LCR, 0x83);
    write(0, 0x34);
    write(1, 0x12);
    expect([read(0), read(1)]).toEqual([0x34, 0x12]);
    expect([uart.registerName(0, true), uart.registerName(1, false)]).toEqual(['DLL', 'DLM']);
    write(LCR, 0x03);
    expect(read(IER)).toBe(0x0f);
    expect(uart.registerName(0, true)).toBe('THR');
    expect(uart.registerName(0, false)).toBe('RBR');
    expect(sent).toEqual([]);
  });

  test('scratch and masks', () => {
    write(SCR, 0xa5);
    expect(read(SCR)).toBe(0xa5);
    write(IER, 0xff);
    expect(read(IER)).toBe(0x0f);
    write(MCR, 0xff);
    expect(read(MCR)).toBe(0x1f);
    write(LSR, 0);
    expect(read(LSR)).toBe(0x60);
    expect(read(8)).toBe(0);
    write(8, 1);
  });

  test('reset is the power-on state', () => {
    const fresh = uart.save();
    write(IER, 3);
    write(FCR, 0xc1);
    write(LCR, 0x1b);
    type('left over');
    uart.reset();
    expect(uart.save()).toEqual(fresh);
    expect(irq.at(-1)).toBe(false);
  });

  test('saved state restores, interrupt included', () => {
    write(FCR, 0x81);
    write(IER, 1);
    type('a longer line than the FIFO holds');
    read(RBR);
    const levels: boolean[] = [];
    const other = new Uart16550({ irq: { set: (level) => levels.push(level) }, output: () => {} });
    other.restore(structuredClone(uart.save()));
    expect(other.save()).toEqual(uart.save());
    expect(levels).toEqual([true]);
    expect(() => other.restore({ version: 2 })).toThrow(/version 2, expected 1/);
    expect(() => other.restore({ ...uart.save(), fifo: 'x' })).toThrow(/'fifo' is not numbers/);
  });
});
