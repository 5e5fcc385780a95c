import { describe } from 'vitest';
import { lockstepTest } from './lockstep-suite.ts';

describe('one hart without page tables', () => lockstepTest(50_000, { paged: false }));
