import { entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('Zicsr');

/** Zicsr (unprivileged, "Zicsr" Extension). Each is the hart's slow path: a CSR may have any side effect. */
export const ZICSR: readonly Instruction[] = [
  entry(
    'csrrw',
    'csr',
    0x00001073,
    'Writes rs1 to a CSR and puts its old value in rd; does not read it if rd is x0.',
    (e) => e.leave('csr'),
  ),
  entry(
    'csrrs',
    'csr',
    0x00002073,
    'Sets the bits of rs1 in a CSR and puts its old value in rd; does not write it if rs1 is x0.',
    (e) => e.leave('csr'),
  ),
  entry(
    'csrrc',
    'csr',
    0x00003073,
    'Clears the bits of rs1 in a CSR and puts its old value in rd; does not write it if rs1 is x0.',
    (e) => e.leave('csr'),
  ),
  entry(
    'csrrwi',
    'csr-imm',
    0x00005073,
    'Writes a 5-bit immediate to a CSR and puts its old value in rd; does not read it if rd is x0.',
    (e) => e.leave('csr'),
  ),
  entry(
    'csrrsi',
    'csr-imm',
    0x00006073,
    'Sets the bits of a 5-bit immediate in a CSR and puts its old value in rd.',
    (e) => e.leave('csr'),
  ),
  entry(
    'csrrci',
    'csr-imm',
    0x00007073,
    'Clears the bits of a 5-bit immediate in a CSR and puts its old value in rd.',
    (e) => e.leave('csr'),
  ),
];
