import type { AccessSize, Device, RegisterDescription, Saved } from '../contracts/device.ts';
import { SavedReader } from './saved.ts';

export interface SifiveTestPorts {
  /** The guest asked for the machine's end or a new start. `code` is its own, 16 bits, 0 but for `fail`. */
  finish(how: 'pass' | 'fail' | 'reset', code: number): void;
}

/** Low half of what is written (QEMU `include/hw/misc/sifive_test.h`); the high half is the failure's code. */
const FAIL = 0x3333;
const PASS = 0x5555;
const RESET = 0x7777;

/** SiFive's test finisher (`sifive,test1`), which `virt` also uses as syscon for power-off and reboot. */
export class SifiveTest implements Device {
  readonly registers = REGISTERS;
  readonly #ports: SifiveTestPorts;

  constructor(ports: SifiveTestPorts) {
    this.#ports = ports;
  }

  read(): number {
    return 0;
  }

  peek(): number {
    return 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset !== 0 || size < 2) return;
    switch (value & 0xffff) {
      case FAIL:
        this.#ports.finish('fail', value >>> 16);
        break;
      case PASS:
        this.#ports.finish('pass', 0);
        break;
      case RESET:
        this.#ports.finish('reset', 0);
        break;
    }
  }

  /** It has no state. */
  reset(): void {}

  save(): Saved {
    return { version: 1 };
  }

  restore(saved: Saved): void {
    new SavedReader(saved, 'the test device', 1);
  }
}

const REGISTERS: readonly RegisterDescription[] = [
  {
    name: 'finisher',
    offset: 0,
    size: 4,
    access: 'write',
    description: 'Ends the run',
    fields: [
      { name: 'STATUS', low: 0, high: 15, values: { [FAIL]: 'fail', [PASS]: 'pass', [RESET]: 'reset' } },
      { name: 'CODE', low: 16, high: 31, description: 'of a failure' },
    ],
  },
];
