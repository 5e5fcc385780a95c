import { entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('Privileged');

/** The instructions of RISC-V privileged ("Machine-Mode" and "Supervisor-Mode Privileged Instructions"). */
export const PRIVILEGED: readonly Instruction[] = [
  entry('sret', 'none', 0x10200073, 'Returns from a trap handler in S-mode to sepc.', (e) => e.leave('sret')),
  entry('mret', 'none', 0x30200073, 'Returns from a trap handler in M-mode to mepc.', (e) => e.leave('mret')),
  entry('wfi', 'none', 0x10500073, 'Waits until an interrupt is pending.', (e) => e.leave('wfi')),
  entry(
    'sfence.vma',
    'sfence.vma',
    0x12000073,
    'Orders page-table writes before later translations, for one address (rs1) and address space (rs2) or all.',
    (e) => e.leave('sfence.vma'),
  ),
];
