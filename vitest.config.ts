import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{vmm,debug-adapter,extension,test,samples}/**/*.test.ts'],
    exclude: ['**/node_modules/**', '.cache/**'],
    // Tests of processes and guests share two cores on small machines: a generous limit only ends real hangs.
    testTimeout: 120_000,
    hookTimeout: 300_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: process.env['HARTSCOPE_REPORTER'] ? [process.env['HARTSCOPE_REPORTER']] : ['default'],
  },
});
