import { describe } from 'vitest';
import { lockstepTest } from './lockstep-suite.ts';

describe('one hart without page tables', () => lockstepTest(20_000, { paged: false }));
