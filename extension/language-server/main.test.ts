import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type CompletionItem,
  createProtocolConnection,
  type Diagnostic,
  type Hover,
  type MarkupContent,
  type ProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';

const program = fileURLToPath(new URL('../../dist/language-server.cjs', import.meta.url));
const uri = new URL('../../samples/01-first-kernel/not-saved.S', import.meta.url).href;

let server: ChildProcess;
let client: ProtocolConnection;

beforeEach(async () => {
  server = spawn(process.execPath, [program, '--stdio'], { stdio: ['pipe', 'pipe', 'inherit'] });
  client = createProtocolConnection(
    new StreamMessageReader(server.stdout!),
    new StreamMessageWriter(server.stdin!),
  );
  client.listen();
  await client.sendRequest('initialize', { processId: process.pid, rootUri: null, capabilities: {} });
  await client.sendNotification('initialized', {});
});
afterEach(async () => {
  if (server.exitCode !== null) return;
  const ended = new Promise((resolve) => server.once('exit', resolve));
  await client.sendRequest('shutdown');
  await client.sendNotification('exit');
  await ended;
});

const diagnostics = () =>
  new Promise<Diagnostic[]>((resolve) => {
    client.onNotification('textDocument/publishDiagnostics', ({ diagnostics }) => resolve(diagnostics));
  });
const open = (text: string) =>
  client.sendNotification('textDocument/didOpen', {
    textDocument: { uri, languageId: 'riscv-asm', version: 1, text },
  });
const at = (line: number, character: number) => ({ textDocument: { uri }, position: { line, character } });

test('diagnoses, explains and completes over the protocol', async () => {
  const published = diagnostics();
  // The header is there and defines no mnemonic: what is unknown is a mistake.
  await open('#include "trap.h"\n  adddi a0, a0, 1\n  csrr t0, sc\n');
  expect(await published).toMatchObject([
    {
      range: { start: { line: 1, character: 2 }, end: { line: 1, character: 7 } },
      severity: 1,
      code: 'unknown-mnemonic',
      message: 'Unknown mnemonic "adddi": did you mean "addi"?',
    },
  ]);

  const hover = await client.sendRequest<Hover>('textDocument/hover', at(2, 3));
  expect((hover.contents as MarkupContent).value).toContain('Assembles to `csrrs rd, csr, zero`');
  expect(hover.range).toEqual({ start: { line: 2, character: 2 }, end: { line: 2, character: 6 } });

  const items = await client.sendRequest<CompletionItem[]>('textDocument/completion', at(2, 13));
  const scause = items.find(({ label }) => label === 'scause')!;
  expect(scause.textEdit).toEqual({
    range: { start: { line: 2, character: 11 }, end: { line: 2, character: 13 } },
    newText: 'scause',
  });
});

test('takes edits, and withdraws its diagnostics', async () => {
  const first = diagnostics();
  await open('  adddi a0, a0, 1\n');
  expect(await first).toHaveLength(1);
  const second = diagnostics();
  await client.sendNotification('textDocument/didChange', {
    textDocument: { uri, version: 2 },
    contentChanges: [
      { range: { start: { line: 0, character: 2 }, end: { line: 0, character: 7 } }, text: 'addi' },
    ],
  });
  expect(await second).toEqual([]);
});

test('ends with its input', async () => {
  const ended = new Promise((resolve) => server.once('exit', resolve));
  client.dispose();
  server.stdin!.end();
  await ended;
});
