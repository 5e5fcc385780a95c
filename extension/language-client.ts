import type * as vscode from 'vscode';
import { LanguageClient, TransportKind } from 'vscode-languageclient/node';
import type { Runtime } from './runtime.ts';

/**
 * Starts the language server for RISC-V assembly, whichever extension gives the file its language. Its absence takes
 * hovers and completion away and nothing else: a failure is logged and shown once by the runtime's own message.
 */
export function startLanguageClient(
  program: string,
  runtime: () => Promise<Runtime>,
  log: vscode.LogOutputChannel,
): vscode.Disposable {
  let client: LanguageClient | undefined;
  let disposed = false;
  const start = async (): Promise<void> => {
    const { command, env } = await runtime();
    if (disposed) return;
    client = new LanguageClient(
      'hartscope',
      'Hartscope',
      {
        command,
        args: [program],
        transport: TransportKind.stdio,
        options: { env: { ...process.env, ...env } },
      },
      {
        documentSelector: [{ language: 'riscv-asm' }, { pattern: '**/*.{s,S}' }],
        outputChannel: log,
      },
    );
    await client.start();
  };
  start().catch((error: Error) => log.error(`The language server did not start: ${error.message}`));
  return {
    dispose: () => {
      disposed = true;
      void client?.dispose();
    },
  };
}
