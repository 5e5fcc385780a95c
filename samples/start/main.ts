/**
 * `npm start`: the extension in an editor with the samples open. `npm start -- --headless`: the same story in the terminal.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openEditor } from './editor.ts';
import { tellStory } from './headless.ts';

declare const __dirname: string;
const root = join(__dirname, '..');
const samples = join(root, 'samples');

const HELP = `npm start                 open VS Code (or its browser edition) with Hartscope and the samples
npm start -- --headless   boot the first sample and show a debugging session in this terminal
npm start -- --browser    use the browser edition even where VS Code is installed
npm start -- --port N     the browser edition's port on 127.0.0.1 (default 8137)`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      headless: { type: 'boolean', default: false },
      browser: { type: 'boolean', default: false },
      port: { type: 'string', default: '8137' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (values.headless) {
    await tellStory(__dirname, join(samples, '01-first-kernel'));
    return 0;
  }
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`--port takes 1 to 65535, not ${values.port}`);
  return openEditor({ root, folder: samples, port, browser: values.browser });
}

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error: Error & { code?: string }) => {
    const hint = error.code?.startsWith('ERR_PARSE_ARGS') ? ' (npm start -- --help tells the options)' : '';
    console.error(`npm start: ${error.message}${hint}`);
    process.exitCode = 1;
  },
);
