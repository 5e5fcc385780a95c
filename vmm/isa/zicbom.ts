import { ENVIRONMENT } from './environment.ts';
import { entriesOf, type Instruction } from './instruction.ts';

const entry = entriesOf('Zicbom');

/**
 * Zicbom (unprivileged, "Cache-Block Management Instructions"). Nothing is cached here, so that only the checks
 * remain: of the environment's permission, and of the address.
 */
export const ZICBOM: readonly Instruction[] = [
  manage('cbo.inval', 0, ENVIRONMENT.CBIE, 'Drops the cache block that holds an address.'),
  manage('cbo.clean', 1, ENVIRONMENT.CBCFE, 'Writes the cache block that holds an address back to memory.'),
  manage(
    'cbo.flush',
    2,
    ENVIRONMENT.CBCFE,
    'Writes the cache block that holds an address back to memory and drops it.',
  ),
];

function manage(name: string, operation: number, permission: number, description: string): Instruction {
  return entry(name, 'cache-block', 0x0000200f | (operation << 20), description, (e) => {
    e.requireEnvironment(permission);
    e.leave('cbo');
  });
}
