import { entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('Svinval');

/**
 * Fine-grained invalidation of translations (privileged, "Svinval" Extension). All three are fences of address translation
 * to the hart, which tells them by their encoding.
 */
export const SVINVAL: readonly Instruction[] = [
  entry(
    'sinval.vma',
    'sfence.vma',
    0x16000073,
    'Invalidates translations as sfence.vma does, ordered only by sfence.w.inval before and sfence.inval.ir after it.',
    (e) => e.leave('sfence.vma'),
  ),
  entry(
    'sfence.w.inval',
    'none',
    0x18000073,
    'Orders earlier page-table writes before later sinval.vma instructions.',
    (e) => e.leave('sfence.vma'),
  ),
  entry(
    'sfence.inval.ir',
    'none',
    0x18100073,
    'Orders earlier sinval.vma instructions before later translations.',
    (e) => e.leave('sfence.vma'),
  ),
];
