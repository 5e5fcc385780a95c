import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureEditor, missingPackages, startEditor } from '../../test/support/editor.ts';
import { findTool } from '../../test/support/find-tool.ts';

/** What is opened: the repository as extension, a folder as workspace. */
export interface EditorOptions {
  readonly root: string;
  readonly folder: string;
  /** Of 127.0.0.1, for the browser edition. */
  readonly port: number;
  /** The browser edition even where `code` is on PATH. */
  readonly browser: boolean;
}

/** Opens VS Code, or its browser edition, and returns the exit status once that is done. */
export async function openEditor(options: EditorOptions): Promise<number> {
  const code = options.browser ? undefined : findTool('code');
  return code === undefined ? openBrowserEdition(options) : openDesktop(code, options);
}

function openDesktop(code: string, { root, folder }: EditorOptions): Promise<number> {
  console.log(`Opening ${folder} in VS Code with Hartscope. Open 01-first-kernel/main.c and press F5.`);
  const child = spawn(code, ['--new-window', `--extensionDevelopmentPath=${root}`, folder], {
    stdio: 'inherit',
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (status) => resolve(status ?? 1));
  });
}

async function openBrowserEdition({ root, folder, port }: EditorOptions): Promise<number> {
  const packages = missingPackages(root);
  if (packages.length > 0) {
    console.log(
      'There is no `code` on PATH, and the browser edition of VS Code has native modules to compile.',
    );
    console.log(
      `Install what they need, then run npm start again:\n\n  sudo apt-get install ${packages.join(' ')}\n`,
    );
    return 1;
  }
  const editor = await ensureEditor(root, (line) => console.log(line));
  const running = await startEditor(editor, {
    root,
    folder,
    port,
    profile: join(root, '.cache/editor/profile'),
  });
  console.log(`\n  VS Code with Hartscope:  ${running.url}\n`);
  console.log('  Open 01-first-kernel/main.c and press F5. Ctrl-C here ends the editor.\n');
  openInBrowser(running.url);
  const interrupted = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
  await Promise.race([interrupted, running.ended]);
  await running.stop();
  return 0;
}

/** Only where a desktop can show it; the address was printed in any case. */
function openInBrowser(url: string): void {
  const opener = findTool('xdg-open');
  if (opener === undefined || !(process.env['DISPLAY'] || process.env['WAYLAND_DISPLAY'])) return;
  const child = spawn(opener, [url], { stdio: 'ignore', detached: true });
  child.on('error', () => console.log('  (no browser could be opened: follow the address above)'));
  child.unref();
}
