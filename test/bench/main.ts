/** `npm run bench`: speed and latency, each beside QEMU or GDB on the same files in the same run. */
import { parseArgs } from 'node:util';
import { latency } from './latency.ts';
import { BenchError } from './measure.ts';
import { GUESTS, throughput } from './throughput.ts';

const HELP = `npm run bench                      all guests, then latencies
npm run bench -- latency           only latencies
npm run bench -- ${GUESTS.join('|')}  only these guests
npm run bench -- --rounds N        medians of N runs (default 5)`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { rounds: { type: 'string', default: '5' }, help: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new BenchError('--rounds takes a whole number of at least 1');
  const guests = positionals.filter((name) => name !== 'latency');
  if (guests.length > 0 || positionals.length === 0) throughput(guests.length > 0 ? guests : GUESTS, rounds);
  if (guests.length < positionals.length || positionals.length === 0) {
    console.log();
    await latency(rounds);
  }
}

main().catch((error: Error) => {
  console.error(`bench: ${error.message}`);
  process.exitCode = error instanceof BenchError ? 2 : 70;
});
