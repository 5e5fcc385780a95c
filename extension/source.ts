import * as vscode from 'vscode';
import type { MachineSession } from './sessions.ts';

/** VS Code makes URIs of the paths in an adapter's answers, as text or as an object, also for a custom request. */
type SourcePath = string | { readonly scheme: string; readonly path: string; readonly authority?: string };

interface DisassembleBody {
  readonly instructions: readonly {
    readonly location?: { readonly path?: SourcePath };
    readonly line?: number;
    readonly column?: number;
  }[];
}

/** Opens the source line of the instruction at `pc`; says so when there is none. */
export async function openSource(session: MachineSession, pc: string): Promise<void> {
  const found = await sourceOf(session, pc).catch((error: Error) => error);
  if (found instanceof Error || found === undefined) {
    const why = found === undefined ? 'the symbols have no line for it' : found.message;
    vscode.window.setStatusBarMessage(`Hartscope: no source for ${pc}: ${why}`, 5000);
    return;
  }
  const at = new vscode.Position(found.line - 1, found.column - 1);
  try {
    await vscode.window.showTextDocument(found.uri, {
      selection: new vscode.Range(at, at),
      preserveFocus: true,
      preview: true,
    });
  } catch (error) {
    void vscode.window.showWarningMessage((error as Error).message);
  }
}

/** DAP has no request from an address to its line, but a disassembled instruction carries it. */
async function sourceOf(
  { debug }: MachineSession,
  pc: string,
): Promise<{ uri: vscode.Uri; line: number; column: number } | undefined> {
  const body = (await debug.customRequest('disassemble', {
    memoryReference: pc,
    instructionCount: 1,
  })) as DisassembleBody;
  const instruction = body.instructions[0];
  const path = instruction?.location?.path;
  if (path === undefined || instruction?.line === undefined) return undefined;
  return { uri: toUri(path), line: instruction.line, column: instruction.column ?? 1 };
}

function toUri(path: SourcePath): vscode.Uri {
  if (typeof path !== 'string') return vscode.Uri.from(path);
  // A scheme has two letters or more; one is a drive of Windows.
  return /^[a-z][\w+.-]+:\//i.test(path) ? vscode.Uri.parse(path) : vscode.Uri.file(path);
}
