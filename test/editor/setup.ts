import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type FrameLocator, type Locator, type Page } from 'playwright-core';
import { ensureEditor, type RunningEditor, startEditor } from '../support/editor.ts';
import type { GroupMember } from '../support/owned-group.ts';
import { findTool } from '../support/tools.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const artifacts = join(root, 'test', 'artifacts');
const documentation = join(root, 'extension', 'media');

/** Chromium in a container: no GPU, no sandbox of its own, and nothing that talks to the network. */
const CHROMIUM_FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-dev-shm-usage'],
];

/** How long anything in the window may take; machines that run other tests beside this one are slow. */
export const PATIENCE_MS = 60_000;

/** VS Code in a browser with the extension, a copy of the samples open in it, and hands to drive it with. */
export class EditorWindow {
  readonly page: Page;
  readonly #browser: Browser;
  readonly #editor: RunningEditor;
  readonly #scratch: string;

  private constructor(page: Page, browser: Browser, editor: RunningEditor, scratch: string) {
    this.page = page;
    this.#browser = browser;
    this.#editor = editor;
    this.#scratch = scratch;
  }

  /** Opens a copy of `folder`, so that what the editor writes there stays out of the tree. */
  static async open(folder: string, extensionRoot = root): Promise<EditorWindow> {
    const editor = await ensureEditor(root, (line) => console.log(line));
    const scratch = mkdtempSync(join(tmpdir(), 'hartscope-editor-'));
    const workspace = join(scratch, basename(folder));
    cpSync(folder, workspace, { recursive: true });
    const running = await startEditor(editor, {
      root: extensionRoot,
      folder: workspace,
      profile: join(scratch, 'profile'),
      port: 0,
      // Rows of text in the terminal are elements then, which a test can read.
      settings: { 'terminal.integrated.gpuAcceleration': 'off' },
    });
    const browser = await chromium.launch({ executablePath: findTool('chromium')!, args: CHROMIUM_FLAGS });
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    page.setDefaultTimeout(PATIENCE_MS);
    await page.goto(running.url);
    await page.locator('.explorer-folders-view .monaco-list-row').first().waitFor();
    return new EditorWindow(page, browser, running, scratch);
  }

  /** Closes the window and the server. @returns processes of the server's that are left, which should be none. */
  async close(): Promise<readonly GroupMember[]> {
    await this.#browser.close();
    await this.#editor.stop();
    rmSync(this.#scratch, { recursive: true, force: true });
    return this.#editor.processes();
  }

  /** Debug adapters and virtual machines that run under the editor, by their bundle. */
  sessionProcesses(): readonly string[] {
    const bundles = this.#editor
      .processes()
      .map(({ command }) => /\b(debug-adapter|vmm)\.cjs\b/.exec(command)?.[1]);
    return bundles.filter((bundle) => bundle !== undefined).sort();
  }

  async screenshot(name: string): Promise<void> {
    mkdirSync(artifacts, { recursive: true });
    await this.page.screenshot({ path: join(artifacts, `${name}.png`) });
  }

  /** A picture that the documentation shows: written anew with UPDATE=1, else among the others. */
  async picture(name: string): Promise<void> {
    if (process.env['UPDATE'] !== '1') return this.screenshot(name);
    mkdirSync(documentation, { recursive: true });
    await this.page.screenshot({ path: join(documentation, `${name}.png`) });
  }

  /** Runs a command by its title, as a person finds it in the palette. */
  async command(title: string): Promise<void> {
    await this.page.keyboard.press('F1');
    await this.#quickInput(`>${title}`);
    // The first row is the best match by the palette's own measure; the click is on the one with the title.
    await this.page.locator('.quick-input-list .monaco-list-row', { hasText: title }).first().click();
  }

  /** Opens a file by its path in the folder. */
  async openFile(path: string): Promise<void> {
    await this.page.keyboard.press('Control+P');
    await this.#quickInput(path);
    await this.page
      .locator('.quick-input-list .monaco-list-row', { hasText: basename(path) })
      .first()
      .waitFor();
    await this.page.keyboard.press('Enter');
    await this.page.locator('.tab.active', { hasText: basename(path) }).waitFor();
  }

  /** Puts the cursor into the file that is open; both 1-based. */
  async goToLine(line: number, column = 1): Promise<void> {
    await this.page.keyboard.press('Control+G');
    await this.#quickInput(`:${line}:${column}`);
    await this.page.keyboard.press('Enter');
    await this.page.locator('.monaco-editor.focused').first().waitFor();
  }

  /** Sets a breakpoint with the keyboard. The first F9 after a file was opened is often lost. */
  async setBreakpoint(line: number): Promise<void> {
    const glyph = this.page
      .locator('.codicon-debug-breakpoint, .codicon-debug-breakpoint-unverified')
      .first();
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await this.goToLine(line);
      await this.page.keyboard.press('F9');
      const set = await glyph.waitFor({ timeout: 3000 }).then(
        () => true,
        () => false,
      );
      if (set) return;
    }
    throw new Error(`F9 set no breakpoint in line ${line}`);
  }

  /** Shows the hover at the cursor until it says `text`: a server that has just started says nothing at first. */
  async hover(text: RegExp): Promise<void> {
    const hover = this.page.locator('.monaco-hover:not(.hidden)', { hasText: text });
    for (let waited = 0; waited < PATIENCE_MS; waited += 2000) {
      await this.page.keyboard.press('Control+K');
      await this.page.keyboard.press('Control+I');
      const shown = await hover
        .first()
        .waitFor({ timeout: 2000 })
        .then(
          () => true,
          () => false,
        );
      if (shown) return;
    }
    throw new Error(`No hover says ${text}`);
  }

  /** Types an answer into the box that asks, and accepts it. */
  async answer(text: string): Promise<void> {
    await this.#quickInput(text);
    await this.page.keyboard.press('Enter');
  }

  async terminalShows(text: string): Promise<void> {
    await this.page.locator('.terminal-wrapper .xterm-rows', { hasText: text }).first().waitFor();
  }

  /** The number of the line that the debugger shows as the current one. */
  async stoppedLine(): Promise<number> {
    const marker = this.page.locator('.codicon-debug-stackframe').first();
    await marker.waitFor();
    const top = (await marker.boundingBox())!.y;
    const numbers = this.page.locator('.monaco-editor .line-numbers');
    for (const number of await numbers.all()) {
      const box = await number.boundingBox();
      if (box !== null && Math.abs(box.y - top) < 4) return Number(await number.textContent());
    }
    throw new Error('No line number stands beside the arrow of the current line');
  }

  /** A row of the variables, call stack, machines, … by its text. */
  row(view: string, text: string | RegExp): Locator {
    return this.page.locator(`${view} .monaco-list-row`, { hasText: text }).first();
  }

  /** The document inside the webview that has `selector`. */
  async webview(selector: string): Promise<FrameLocator> {
    const outer = this.page.locator('iframe.webview.ready');
    const deadline = Date.now() + PATIENCE_MS;
    while (Date.now() < deadline) {
      for (let index = 0; index < (await outer.count()); index += 1) {
        const inner = outer.nth(index).contentFrame().frameLocator('#active-frame');
        if ((await inner.locator(selector).count()) > 0) return inner;
      }
      await this.page.waitForTimeout(100);
    }
    throw new Error(`No webview has ${selector}`);
  }

  async #quickInput(text: string): Promise<void> {
    const input = this.page.locator('.quick-input-widget input[type="text"]').first();
    await input.waitFor();
    await input.fill(text);
  }
}
