import * as vscode from 'vscode';
import type { Runtime } from '../runtime.ts';

/** Starts the debug adapter on the runtime that the probe chose. */
export class AdapterFactory implements vscode.DebugAdapterDescriptorFactory {
  readonly #program: string;
  readonly #runtime: () => Promise<Runtime>;

  constructor(program: string, runtime: () => Promise<Runtime>) {
    this.#program = program;
    this.#runtime = runtime;
  }

  async createDebugAdapterDescriptor(): Promise<vscode.DebugAdapterDescriptor> {
    const { command, env } = await this.#runtime();
    return new vscode.DebugAdapterExecutable(command, [this.#program], { env: { ...env } });
  }
}
