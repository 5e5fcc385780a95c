import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { missingPackages } from '../support/editor.ts';
import { describeNeeding, findTool } from '../support/tools.ts';
import { EditorWindow, PATIENCE_MS, root } from './setup.ts';

const SAMPLE = '01-first-kernel';
const needed = [...missingPackages(root), ...(findTool('chromium') === undefined ? ['chromium'] : [])];

/** 1-based line of the one place in a source of the sample that has `text`. */
function lineOf(file: string, text: string): number {
  const lines = readFileSync(join(root, 'samples', SAMPLE, file), 'utf8').split('\n');
  const found = lines.flatMap((line, index) => (line.includes(text) ? [index + 1] : []));
  expect(found, `${text} stands once in ${file}`).toHaveLength(1);
  return found[0]!;
}

// One session, told from its first to its last step: each test goes on where the one before ended.
describeNeeding(needed, 'VS Code with the extension', () => {
  let editor: EditorWindow;

  beforeAll(async () => {
    editor = await EditorWindow.open(join(root, 'samples'));
  }, 600_000);
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await editor?.screenshot(`failed: ${task.name}`);
  });
  afterAll(async () => {
    expect(await editor?.close()).toEqual([]);
  });

  /** Waits until the debugger stands in `line` of the file that is shown. */
  const stopsAt = (line: number) =>
    expect.poll(() => editor.stoppedLine(), { timeout: PATIENCE_MS }).toBe(line);

  test('assembly has a language server', async () => {
    await editor.openFile(`${SAMPLE}/trap.S`);
    await editor.page.locator('.statusbar-item', { hasText: 'RISC-V Assembly' }).waitFor();
    const line = lineOf('trap.S', 'csrrw sp, sscratch, sp');
    const text = readFileSync(join(root, 'samples', SAMPLE, 'trap.S'), 'utf8').split('\n')[line - 1]!;
    await editor.goToLine(line, text.indexOf('sscratch') + 2);
    await editor.hover(/CSR 0x140/);
    await editor.screenshot('assembly');
    expect(await editor.page.locator('.squiggly-error').count()).toBe(0);
  });

  test('F5 stops the kernel at its entry, and at a breakpoint in main.c', async () => {
    await editor.openFile(`${SAMPLE}/main.c`);
    const line = lineOf('main.c', '    touch_unmapped_page();');
    await editor.setBreakpoint(line);
    await editor.page.keyboard.press('Control+Shift+D');
    await editor.page.locator('.debug-viewlet').waitFor();
    const pressed = Date.now();
    await editor.page.keyboard.press('F5');
    await stopsAt(lineOf('start.S', 'la sp, boot_stack_top'));
    console.log(`F5 to the first stop: ${Date.now() - pressed} ms`);

    await editor.page.keyboard.press('F5');
    await stopsAt(line);
    await editor.row('.debug-call-stack', 'kernel_main').waitFor();
    await editor.row('.debug-variables', /^\s*pc/).waitFor();
    await editor.row('.tree-explorer-viewlet-tree-view', /Hart 0.*S · kernel_main/).waitFor();
    await editor.terminalShows('hello from S-mode');
    expect(editor.sessionProcesses()).toEqual(['debug-adapter', 'vmm']);
    await editor.screenshot('breakpoint');
  });

  test('a step goes on by a line', async () => {
    await editor.page.keyboard.press('F10');
    await stopsAt(lineOf('main.c', '    count_ticks(3);'));
    await editor.terminalShows('page fault: handled');
  });

  test('the page walk of the stack pointer ends at a guest-physical address', async () => {
    await editor.command('Hartscope: Walk Address');
    await editor.answer('$sp');
    const walk = await editor.webview('#walk');
    await walk.locator('.outcome.mapped .physical', { hasText: /^0x8[0-9a-f]{7}$/ }).waitFor();
    expect(await walk.locator('.mode').textContent()).toBe('Sv39');
    expect(await walk.locator('tbody tr').count()).toBeGreaterThanOrEqual(1);
    expect(await walk.locator('tbody tr').last().locator('.flag.on').allTextContents()).toContain('V');
    // It all fits in the width and height that the view has beside the Exits view.
    for (const selector of ['.scroll', '.content'])
      expect(
        await walk
          .locator(selector)
          .evaluate(({ scrollWidth, clientWidth, scrollHeight, clientHeight }) => [
            scrollWidth - clientWidth,
            scrollHeight - clientHeight,
          ]),
      ).toEqual([0, 0]);

    await editor.screenshot('page-walk');

    await walk.locator('select').selectOption('execute');
    await walk.locator('.outcome.fault', { hasText: 'not executable' }).waitFor();
  });

  test('a breakpoint on an exit stops at a write to the UART', async () => {
    await editor.command('Hartscope: Break on Exit');
    await editor.answer('mmio');
    await editor.answer('device == "uart0" && write');
    await editor.page.locator('.statusbar', { hasText: 'stops at mmio' }).waitFor();
    await editor.page.keyboard.press('F5');
    await editor.page.getByText('Paused on mmio exit').first().waitFor();
    await editor.row('.tree-explorer-viewlet-tree-view', /First kernel.*write uart0\.THR/).waitFor();
    await editor.row('.debug-call-stack', /uart_put/).waitFor();
    await editor.screenshot('exit-breakpoint');
  });

  // UPDATE=1 writes the picture in the README.
  test('stopped at the UART, the window shows the stack, the walk and the trace', async () => {
    for (const frame of ['print', 'count_ticks', 'kernel_main', '_start'])
      await editor.row('.debug-call-stack', frame).waitFor();
    await editor.command('Hartscope: Walk Address');
    await editor.answer('$pc');
    const walk = await editor.webview('#walk');
    await walk.locator('select').selectOption('execute');
    await walk.locator('.outcome.mapped .physical', { hasText: /^0x8[0-9a-f]{7}$/ }).waitFor();
    expect(await walk.locator('tbody tr').last().locator('.flag.on').allTextContents()).toContain('X');
    const rows = (await editor.webview('#trace')).locator('.space .row');
    await rows.filter({ hasText: 'read uart0.LSR' }).last().waitFor();
    await editor.picture('screenshot');
  });

  test('the list of exits follows the trace and is filtered by a condition', async () => {
    await editor.command('Hartscope: Focus on Exits View');
    const trace = await editor.webview('#trace');
    const rows = trace.locator('.space .row');
    await rows.filter({ hasText: 'uart0' }).first().waitFor();
    await trace.locator('input').fill('device == "uart0" && value == 0x68');
    const texts = async () =>
      new Set((await rows.allTextContents()).map((text) => /uart0\.\w+ = \w+/.exec(text)?.[0]));
    await expect.poll(texts, { timeout: PATIENCE_MS }).toEqual(new Set(['uart0.THR = 0x68']));
    await rows.first().click();
    await trace.locator('.details', { hasText: 'uart0' }).waitFor();
    await editor.screenshot('exits');

    await trace.locator('input').fill('trap_entry');
    await rows.filter({ hasText: 'trap.S' }).first().click();
    await editor.page.locator('.tab.active', { hasText: 'trap.S' }).waitFor();

    await trace.locator('input').fill('device ==');
    await trace.locator('.outcome.fault').waitFor();
    expect(await editor.page.locator('.notification-toast').allTextContents()).toEqual([]);
  });

  test('the end of the session ends all its processes', async () => {
    await editor.page.keyboard.press('Shift+F5');
    await editor.page.locator('.debug-toolbar').waitFor({ state: 'hidden' });
    await expect.poll(() => editor.sessionProcesses(), { timeout: PATIENCE_MS }).toEqual([]);
  });
});
