import * as vscode from 'vscode';
import { DEBUG_TYPE } from '../debug-adapter/contract/launch.ts';
import { registerCommands } from './commands.ts';
import { GuestConsoles } from './console/guest-console.ts';
import { ExitBreakpoints } from './exit-breakpoints.ts';
import { startLanguageClient } from './language-client.ts';
import { AdapterFactory } from './launch/adapter.ts';
import { Configurations, offeredConfigurations } from './launch/configurations.ts';
import { candidates, findRuntime, type Runtime } from './runtime.ts';
import { Sessions } from './sessions.ts';
import { MachinesView } from './views/machines-view.ts';
import { StatsView } from './views/stats-view.ts';
import { TraceView } from './views/trace-view.ts';
import { WalkView } from './views/walk-view.ts';

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel('Hartscope', { log: true });
  const program = (name: string) => vscode.Uri.joinPath(context.extensionUri, 'dist', name).fsPath;
  const runtime = chosenRuntime(log);
  const sessions = new Sessions();
  const consoles = new GuestConsoles(sessions);
  const walk = new WalkView(context.extensionUri, sessions);
  const trace = new TraceView(context.extensionUri, sessions);
  const exitBreakpoints = new ExitBreakpoints();
  const { Dynamic } = vscode.DebugConfigurationProviderTriggerKind;

  context.subscriptions.push(
    log,
    sessions,
    consoles,
    walk,
    trace,
    exitBreakpoints,
    new MachinesView(sessions, context.globalState),
    new StatsView(sessions),
    vscode.debug.registerDebugAdapterDescriptorFactory(
      DEBUG_TYPE,
      new AdapterFactory(program('debug-adapter.cjs'), runtime),
    ),
    vscode.debug.registerDebugConfigurationProvider(DEBUG_TYPE, new Configurations()),
    vscode.debug.registerDebugConfigurationProvider(DEBUG_TYPE, offeredConfigurations, Dynamic),
    ...registerCommands({ sessions, consoles, walk, trace, exitBreakpoints }),
    startLanguageClient(program('language-server.cjs'), runtime, log),
  );
  void vscode.commands.executeCommand('setContext', 'hartscope.active', true);
}

/** Probes once, when first needed; a failure is told again at each use, and the next use tries again. */
function chosenRuntime(log: vscode.LogOutputChannel): () => Promise<Runtime> {
  let found: Promise<Runtime> | undefined;
  const find = async (): Promise<Runtime> => {
    const { runtime, rejected } = await findRuntime(candidates(process.execPath));
    log.info(`Runtime: ${runtime.command}`);
    if (rejected.length > 0) {
      const message = `VS Code's own runtime cannot run the virtual machine; Hartscope uses "${runtime.command}" from PATH. (${rejected.join('; ')})`;
      log.warn(message);
      void vscode.window.showInformationMessage(message);
    }
    return runtime;
  };
  return () => {
    found ??= find().catch((error: unknown) => {
      found = undefined;
      throw error;
    });
    return found;
  };
}
