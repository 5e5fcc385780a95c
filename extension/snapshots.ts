import { dirname, join } from 'node:path';
import * as vscode from 'vscode';
import type { MachineSession } from './sessions.ts';

const FILTERS = { Snapshots: ['snapshot'] };

/** The file that a person chose last: the next snapshot is beside it. */
let last: string | undefined;

/** Asks for a file and saves the machine there. */
export async function saveSnapshot(session: MachineSession): Promise<void> {
  const chosen = await vscode.window.showSaveDialog({
    title: `Save a Snapshot of ${session.name}`,
    defaultUri: vscode.Uri.file(join(folder(), `${fileName(session.name)}.snapshot`)),
    filters: FILTERS,
  });
  if (chosen === undefined) return;
  last = chosen.fsPath;
  await report(async () => {
    const { bytes, present } = await session.request('hartscope/saveSnapshot', { file: chosen.fsPath });
    return `Saved a snapshot of ${mebibytes(bytes)} (the guest uses ${mebibytes(present * 4096)}).`;
  });
}

/** Asks for a snapshot and puts the machine into its state. */
export async function restoreSnapshot(session: MachineSession): Promise<void> {
  const chosen = await vscode.window.showOpenDialog({
    title: `Restore ${session.name} from a Snapshot`,
    defaultUri: vscode.Uri.file(folder()),
    filters: FILTERS,
  });
  const file = chosen?.[0]?.fsPath;
  if (file === undefined) return;
  last = file;
  await report(async () => {
    await session.request('hartscope/restoreSnapshot', { file });
    return undefined;
  });
}

async function report(action: () => Promise<string | undefined>): Promise<void> {
  try {
    const text = await action();
    if (text !== undefined) void vscode.window.showInformationMessage(text);
  } catch (error) {
    void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
  }
}

function folder(): string {
  if (last !== undefined) return dirname(last);
  return vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? '';
}

/** A session's name as a part of a path. */
const fileName = (name: string): string =>
  name.replace(/[^\w.-]+/g, '-').replace(/^-+|-+$/g, '') || 'machine';

const mebibytes = (bytes: number): string => `${Number((bytes / 2 ** 20).toFixed(1))} MiB`;
