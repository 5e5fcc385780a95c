import { isAbsolute, join, relative, resolve } from 'node:path';
import * as vscode from 'vscode';
import { DEBUG_TYPE } from '../../debug-adapter/contract/launch.ts';
import { CLIENT_FLAG } from '../../debug-adapter/contract/requests.ts';
import { isRiscvExecutable, kernelsNear } from './kernels.ts';

const SEARCH_FILES_MAX = 400; // Each candidate's header is read; more files than this are no longer a list to pick from.

// biome-ignore lint/suspicious/noTemplateCurlyInString: VS Code's variable, which it substitutes.
const WORKSPACE = '${workspaceFolder}';

/** Launch configurations: F5 without a `launch.json`, initial and offered ones, and where relative paths start. */
export class Configurations implements vscode.DebugConfigurationProvider {
  /** The configurations a new `launch.json` starts with. */
  async provideDebugConfigurations(folder?: vscode.WorkspaceFolder): Promise<vscode.DebugConfiguration[]> {
    const kernels = await searchWorkspace(folder);
    if (kernels.length > 0) return kernels.map((kernel) => configurationFor(kernel, folder));
    return [
      {
        type: DEBUG_TYPE,
        request: 'launch',
        name: 'Debug kernel',
        kernel: WORKSPACE + '/kernel.elf',
        stopOnEntry: true,
      },
    ];
  }

  async resolveDebugConfiguration(
    folder: vscode.WorkspaceFolder | undefined,
    given: vscode.DebugConfiguration,
  ): Promise<vscode.DebugConfiguration | undefined> {
    const config = { ...given };
    // F5 without a launch.json gives an empty object.
    if (!config.type && !config.request && !config.name) {
      const kernel = await chooseKernel(folder);
      if (kernel === undefined) return undefined;
      Object.assign(config, configurationFor(kernel, folder), {
        // With nowhere to stop, the guest would run to its end before anything can be seen.
        stopOnEntry: vscode.debug.breakpoints.length === 0,
      });
    }
    // The guest's console is a terminal; the debug console would cover it at the start.
    config['internalConsoleOptions'] ??= 'neverOpen';
    return config;
  }

  /** Relative paths start at the workspace folder, which the debug adapter does not know. */
  resolveDebugConfigurationWithSubstitutedVariables(
    folder: vscode.WorkspaceFolder | undefined,
    config: vscode.DebugConfiguration,
  ): vscode.DebugConfiguration {
    const base = (folder ?? vscode.workspace.workspaceFolders?.[0])?.uri.fsPath;
    const given: unknown = config['cwd'];
    const cwd = typeof given === 'string' && base !== undefined ? resolve(base, given) : (given ?? base);
    // The flag says that the guest's console has a terminal here.
    return { ...config, ...(cwd === undefined ? {} : { cwd }), [CLIENT_FLAG]: true };
  }
}

/** Configurations for every kernel in the workspace, offered in the Run and Debug menu. */
export const offeredConfigurations: vscode.DebugConfigurationProvider = {
  async provideDebugConfigurations(folder) {
    return (await searchWorkspace(folder)).map((kernel) => configurationFor(kernel, folder));
  },
};

function configurationFor(
  kernel: string,
  folder: vscode.WorkspaceFolder | undefined,
): vscode.DebugConfiguration {
  const inside = folder === undefined ? kernel : relative(folder.uri.fsPath, kernel);
  const inWorkspace = !isAbsolute(inside) && !inside.startsWith('..');
  return {
    type: DEBUG_TYPE,
    request: 'launch',
    name: `Debug ${inWorkspace ? inside : kernel}`,
    kernel: inWorkspace ? WORKSPACE + '/' + inside.replaceAll('\\', '/') : kernel,
  };
}

async function chooseKernel(folder: vscode.WorkspaceFolder | undefined): Promise<string | undefined> {
  const active = vscode.window.activeTextEditor?.document.uri;
  const root = folder?.uri.fsPath;
  if (active?.scheme === 'file') {
    if (await isRiscvExecutable(active.fsPath)) return active.fsPath;
    const near = await kernelsNear(active.fsPath, root ?? join(active.fsPath, '..'));
    if (near.length > 0) return pick(near, root);
  }
  const found = await searchWorkspace(folder);
  return found.length > 0 ? pick(found, root) : askForFile(folder?.uri);
}

async function searchWorkspace(folder: vscode.WorkspaceFolder | undefined): Promise<string[]> {
  if (folder === undefined) return [];
  const pattern = new vscode.RelativePattern(folder, '**/{*.elf,vmlinux,kernel,kernel-*}');
  const found = await vscode.workspace.findFiles(pattern, '**/{node_modules,.git}/**', SEARCH_FILES_MAX);
  const verdicts = await Promise.all(found.map((uri) => isRiscvExecutable(uri.fsPath)));
  return found
    .filter((_, index) => verdicts[index])
    .map((uri) => uri.fsPath)
    .sort();
}

async function pick(kernels: readonly string[], root: string | undefined): Promise<string | undefined> {
  if (kernels.length === 1) return kernels[0];
  const items = kernels.map((kernel) => ({
    label: root === undefined ? kernel : relative(root, kernel),
    kernel,
  }));
  const choice = await vscode.window.showQuickPick(items, { placeHolder: 'Which kernel to boot?' });
  return choice?.kernel;
}

async function askForFile(at: vscode.Uri | undefined): Promise<string | undefined> {
  const choose = 'Choose File…';
  const answer = await vscode.window.showInformationMessage(
    'There is no RISC-V 64 executable near this file. Build the kernel first, or choose one.',
    choose,
  );
  if (answer !== choose) return undefined;
  const uris = await vscode.window.showOpenDialog({
    title: 'Kernel to boot: an ELF file or a raw image',
    ...(at === undefined ? {} : { defaultUri: at }),
  });
  return uris?.[0]?.fsPath;
}
