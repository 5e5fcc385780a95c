import { describe, expect, test } from 'vitest';
import { asMarkdown, asText, type Findings } from './report.ts';
import { type Program, summarize, type Throughput, type Variant } from './throughput.ts';

function result(program: Program, variant: Variant, qemuSeconds: number): Throughput {
  return {
    program,
    variant,
    instructions: 1_000_000_000,
    ours: { cpu: 0.5, wall: 0.4 },
    qemu: { cpu: qemuSeconds, wall: qemuSeconds },
    cpuRatio: qemuSeconds / 0.5,
    wallRatio: qemuSeconds / 0.4,
    wholeRatio: qemuSeconds,
  };
}

const throughput = [
  result('integer', 'bare', 1),
  result('float', 'bare', 0.25),
  result('integer', 'paged', 0.5),
  result('float', 'paged', 0.5),
];
const findings: Findings = {
  setting: { processor: 'P', cores: 2, node: 'v20', qemu: '7.2', compiler: '12.2', rounds: 5 },
  throughput,
  events: [{ what: 'CSR write', variant: 'bare', oursNs: 50, qemuNs: 100 }],
  start: { oursMs: 120, qemuMs: 30 },
  latency: [{ what: 'one instruction step', oursMs: 0.5, gdbMs: 1 }],
};

describe('a summary of ratios', () => {
  test('has the geometric mean and the lowest of each variant that was run', () => {
    const [bare, paged] = summarize(throughput);
    expect(bare!.geometricMean).toBeCloseTo(1, 10);
    expect(bare!.lowest).toMatchObject({ program: 'float', cpuRatio: 0.5 });
    expect(paged!.geometricMean).toBeCloseTo(1, 10);
    expect(summarize(throughput.slice(0, 2)).map(({ variant }) => variant)).toEqual(['bare']);
  });
});

describe('findings as tables', () => {
  test('of Markdown', () => {
    expect(asMarkdown(findings).split('\n')).toEqual([
      'Taken on: P, 2 cores; Node v20; QEMU 7.2; guests by gcc 12.2; medians of 5 runs in turn.',
      '',
      '### Throughput, ratio to QEMU',
      '',
      '| program | bare | MIPS | wall | with start | paged | MIPS | wall | with start |',
      '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
      '| integer | 2.000 | 2000 | 2.500 | 1.000 | 1.000 | 2000 | 1.250 | 0.500 |',
      '| float | 0.500 | 2000 | 0.625 | 0.250 | 1.000 | 2000 | 1.250 | 0.500 |',
      '| geometric mean | 1.000 |  | 1.250 | 0.500 | 1.000 |  | 1.250 | 0.500 |',
      '| lowest | 0.500 |  |  |  | 1.000 |  |  |  |',
      '',
      '### Events, CPU time each',
      '',
      '| event | ns | QEMU ns | ratio |',
      '| --- | ---: | ---: | ---: |',
      '| CSR write, bare | 50 | 100 | 2.00 |',
      '',
      '### Waiting, wall time',
      '',
      '| what is waited for | ms | beside it, ms | ratio |',
      '| --- | ---: | ---: | ---: |',
      '| start to the end of a guest that ends at once | 120 | 30 (QEMU) | 0.25 |',
      '| one instruction step | 0.50 | 1.00 (GDB and QEMU) | 2.00 |',
      '',
    ]);
  });

  test('of text, in columns', () => {
    const lines = asText({ setting: findings.setting, throughput: throughput.slice(0, 2) }).split('\n');
    expect(lines.slice(0, 4)).toEqual([
      'Throughput, ratio to QEMU',
      'program          bare  MIPS   wall  with start',
      'integer         2.000  2000  2.500       1.000',
      'float           0.500  2000  0.625       0.250',
    ]);
  });
});
