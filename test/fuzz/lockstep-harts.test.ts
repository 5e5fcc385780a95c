import { describe } from 'vitest';
import { lockstepTest } from './lockstep-suite.ts';

describe.each([2, 4])('%i harts that share memory and code', (harts) => lockstepTest(2500, { harts }));
