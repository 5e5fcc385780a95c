/** Exits from guest to VMM in words: one line each, for stops, traces and the debug console. */
import { unreachable } from '../vmm/base/assert.ts';
import { hex } from '../vmm/base/brands.ts';
import type { ExitKind, ExitStage, VmExit } from '../vmm/protocol/exits.ts';

/** What each kind of exit is, for the list of exception breakpoints. */
export const EXIT_TITLES: Record<ExitKind, string> = {
  mmio: 'Device access (MMIO)',
  sbi: 'SBI call',
  csr: 'CSR access',
  trap: 'Trap taken by the guest',
  irq: 'Interrupt line',
  'page-fault': 'Guest-physical page fault',
  'tlb-flush': 'TLB flush',
  virtqueue: 'Virtqueue',
  wfi: 'Wait for interrupt',
  nested: "A guest hypervisor's exit",
  system: 'Shutdown, reset, crash',
  debug: 'Breakpoint instruction (ebreak)',
};

/** One line without a period, such as `write uart0.THR = 0x48 'H'`. Before the VMM handled an exit its result is not known, and not said. */
export function describeExit(exit: VmExit, stage: ExitStage = 'post'): string {
  switch (exit.kind) {
    case 'mmio': {
      const place =
        exit.register === '' ? `${exit.device}+${hex(exit.offset)}` : `${exit.device}.${exit.register}`;
      if (!exit.write && stage === 'pre') return `read ${place}`;
      const text = CHARACTER_REGISTERS.has(exit.register) ? character(exit.value) : '';
      return `${exit.write ? 'write' : 'read'} ${place} = ${hex(exit.value)}${text}`;
    }
    case 'sbi': {
      const call = `${exit.ext}.${exit.function}(${exit.args.map((arg) => hex(arg)).join(', ')})`;
      if (stage === 'pre') return call;
      return `${call} -> error ${BigInt.asIntN(64, exit.error)}, value ${hex(exit.value)}`;
    }
    case 'csr':
      return exit.write
        ? `write ${exit.csr}: ${hex(exit.old)} -> ${hex(exit.value)}`
        : `read ${exit.csr} = ${hex(exit.value)}`;
    case 'trap': {
      const what = exit.interrupt ? 'interrupt' : 'exception';
      return `${what} ${exit.cause}: ${exit.name}, tval ${hex(exit.tval)}, ${exit.from} -> ${exit.to}`;
    }
    case 'irq':
      return `interrupt ${exit.line} of ${exit.device} ${exit.event}`;
    case 'page-fault':
      return `${exit.write ? 'write' : 'read'} of guest-physical ${hex(exit.address)}: ${exit.reason}`;
    case 'tlb-flush': {
      const address = exit.address === null ? 'all addresses' : hex(exit.address);
      return `${exit.fence}: ${address}, ${exit.asid === null ? 'all ASIDs' : `ASID ${exit.asid}`}`;
    }
    case 'virtqueue':
      return `${exit.device} queue ${exit.queue} ${exit.event}: ${exit.descriptors} descriptors, ${exit.bytes} bytes`;
    case 'wfi':
      return exit.until === null ? 'wait for interrupt' : `wait for interrupt until step ${exit.until}`;
    case 'nested':
      return `VS to HS, cause ${exit.cause}, htval ${hex(exit.htval)}, htinst ${hex(exit.htinst)}`;
    case 'system':
      return exit.code === 0 ? exit.event : `${exit.event}, code ${exit.code}`;
    case 'debug':
      return `${exit.event} at ${hex(exit.address)}`;
    default:
      return unreachable(exit);
  }
}

/** Registers that characters pass through (16550: transmitter holding and receiver buffer). */
const CHARACTER_REGISTERS: ReadonlySet<string> = new Set(['THR', 'RBR']);

function character(value: bigint): string {
  if (value >= 0x20n && value < 0x7fn) return ` '${String.fromCharCode(Number(value))}'`;
  const escapes = new Map([
    [0n, '\\0'],
    [9n, '\\t'],
    [10n, '\\n'],
    [13n, '\\r'],
  ]);
  const escaped = escapes.get(value);
  return escaped === undefined ? '' : ` '${escaped}'`;
}
