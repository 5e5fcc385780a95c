/**
 * The browser edition of VS Code (npm's `code-server`) on a Node 24 from npm, set up once in `.cache/editor`, which
 * git ignores. Used by the editor's tests and by `npm start`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { arch } from 'node:os';
import { delimiter, join } from 'node:path';
import { withFolderLock } from './folder-lock.ts';
import { endGroup, type GroupMember, membersOf, spawnOwnedGroup } from './owned-group.ts';

const CODE_SERVER = '4.139.1';
/** code-server 4.139 runs on Node 24 only; npm comes with it, since a distribution's npm may need that distribution's Node. */
const TOOLS = ['node@24', 'npm@11'];

/** What code-server's native modules are compiled with: how to recognise it, and the Debian package it comes in. */
const BUILD_NEEDS: readonly { readonly present: () => boolean; readonly package: string }[] = [
  { present: () => onPath('g++'), package: 'g++' },
  { present: () => onPath('make'), package: 'make' },
  { present: () => onPath('python3'), package: 'python3' },
  { present: () => hasHeader('gssapi/gssapi.h'), package: 'libkrb5-dev' },
];

export interface Editor {
  /** The Node 24 binary. */
  readonly node: string;
  /** code-server's entry script. */
  readonly entry: string;
}

/** Debian packages that setting the editor up still needs; none once it is set up. */
export function missingPackages(root: string): readonly string[] {
  if (installed(root) !== undefined) return [];
  return BUILD_NEEDS.filter(({ present }) => !present()).map((need) => need.package);
}

/**
 * The editor, set up first when it is not: about two minutes and 700 MB from the npm registry. `say` gets one line
 * for each step. Of several processes that ask at once, one sets it up and the others wait.
 * @throws Error with the apt command when a compiler or library is missing, or where the log of a failed step is.
 */
export async function ensureEditor(root: string, say: (line: string) => void): Promise<Editor> {
  const before = installed(root);
  if (before !== undefined) return before;
  const missing = missingPackages(root);
  if (missing.length > 0) {
    throw new Error(
      `VS Code's browser edition has native modules to compile. Install what they need first:\n  sudo apt-get install ${missing.join(' ')}`,
    );
  }

  const folder = join(root, '.cache', 'editor');
  mkdirSync(folder, { recursive: true });
  const wait = (owner: number) => say(`Process ${owner} is setting the editor up in ${folder}: waiting`);
  return withFolderLock(join(folder, 'lock'), wait, async () => installed(root) ?? setUp(root, folder, say));
}

async function setUp(root: string, folder: string, say: (line: string) => void): Promise<Editor> {
  // What an earlier, interrupted set-up left may be half a package.
  for (const name of ['tools', 'server']) rmSync(join(folder, name), { recursive: true, force: true });
  say(`Setting up VS Code's browser edition in ${folder} (once, about two minutes)`);
  const log = join(folder, 'setup.log');
  const tools = join(folder, 'tools');
  makePackage(tools);
  await run('npm', ['install', ...TOOLS], { cwd: tools, log });

  const { node, npm, headers } = toolsIn(tools);
  say(`Compiling code-server ${CODE_SERVER} (log: ${log})`);
  const server = join(folder, 'server');
  makePackage(server);
  await run(node, [npm, 'install', `code-server@${CODE_SERVER}`, '--foreground-scripts'], {
    cwd: server,
    log,
    env: {
      PATH: [join(headers, 'bin'), join(tools, 'node_modules', '.bin'), process.env['PATH']].join(delimiter),
      // Headers of this very Node, so that none are downloaded.
      npm_config_nodedir: headers,
    },
  });
  writeFileSync(markerOf(root), JSON.stringify(VERSIONS));
  const editor = installed(root);
  if (editor === undefined) throw new Error(`code-server is not where its package puts it: see ${log}`);
  return editor;
}

const VERSIONS = { codeServer: CODE_SERVER, tools: TOOLS };

const markerOf = (root: string): string => join(root, '.cache', 'editor', 'ready.json');

/** The editor when its set-up came to its end with these versions. */
function installed(root: string): Editor | undefined {
  const marker = markerOf(root);
  if (!existsSync(marker) || readFileSync(marker, 'utf8') !== JSON.stringify(VERSIONS)) return undefined;
  const { node } = toolsIn(join(root, '.cache', 'editor', 'tools'));
  const entry = join(root, '.cache/editor/server/node_modules/code-server/out/node/entry.js');
  return existsSync(node) && existsSync(entry) ? { node, entry } : undefined;
}

/** npm's `node` package holds the binary and headers in a package of its own for each platform. */
function toolsIn(tools: string): { node: string; npm: string; headers: string } {
  const modules = join(tools, 'node_modules');
  const platform = `node-${process.platform}-${arch()}`;
  const nested = join(modules, 'node', 'node_modules', platform);
  const headers = existsSync(nested) ? nested : join(modules, platform);
  return { node: join(headers, 'bin', 'node'), npm: join(modules, 'npm', 'bin', 'npm-cli.js'), headers };
}

function makePackage(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
}

async function run(
  command: string,
  args: readonly string[],
  { cwd, log, env = {} }: { cwd: string; log: string; env?: Record<string, string> },
): Promise<void> {
  const output = openSync(log, 'a');
  const child = spawn(command, args, {
    cwd,
    stdio: ['ignore', output, output],
    env: { ...withoutOuterNpm(process.env), npm_config_audit: 'false', npm_config_fund: 'false', ...env },
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', resolve);
  });
  if (status !== 0) {
    const end = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-15).join('\n');
    throw new Error(
      `\`${command} ${args.join(' ')}\` ended with status ${status}. The end of ${log}:\n${end}`,
    );
  }
}

/**
 * Started by `npm test` or `npm start`, we inherit what that npm tells its scripts of itself; packages read the user
 * agent to learn the version of Node they are installed with, and would learn the wrong one.
 */
function withoutOuterNpm(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const told =
    /^(npm_(lifecycle|package|command|execpath|node_execpath)|npm_config_(user_agent|local_prefix|node_gyp)$|INIT_CWD$)/;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !told.test(name)));
}

function onPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Compilers search /usr/include, and Debian's multiarch folder in it. */
function hasHeader(name: string): boolean {
  const include = '/usr/include';
  const folders = existsSync(include)
    ? readdirSync(include).filter((folder) => folder.includes('-linux-'))
    : [];
  return ['.', ...folders].some((folder) => existsSync(join(include, folder, name)));
}

/** A quiet editor: nothing that talks to the network, covers the window, or asks questions. */
const SETTINGS = {
  'chat.disableAIFeatures': true,
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'git.openRepositoryInParentFolders': 'never',
  'security.workspace.trust.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'update.showReleaseNotes': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
};

export interface RunningEditor {
  /** Where its window is, with the folder open. */
  readonly url: string;
  /** The server and every process below it. */
  processes(): readonly GroupMember[];
  /** Settles when the server ends by itself. */
  readonly ended: Promise<void>;
  /** Ends the server and what it has started, debug adapters and machines included, and waits for that. */
  stop(): Promise<void>;
}

/**
 * Starts the editor with the extension of `root` and `folder` open, on a port of 127.0.0.1 (0: any free one), with
 * its settings and state in `profile`. It ends with this process, however this process ends.
 */
export async function startEditor(
  editor: Editor,
  options: {
    root: string;
    folder: string;
    profile: string;
    port: number;
    /** Beside the usual ones, in a profile that has none yet. */
    settings?: Readonly<Record<string, unknown>>;
  },
): Promise<RunningEditor> {
  const { root, folder, profile, port, settings = {} } = options;
  prepareProfile(root, profile, settings);
  const child = spawnOwnedGroup(editor.node, [editor.entry, ...serverArguments(profile, port)], {
    cwd: folder,
    env: {
      ...process.env,
      // No gallery: the extension that is debugged is the only one that is added.
      EXTENSIONS_GALLERY: '{"serviceUrl":"","itemUrl":"","resourceUrlTemplate":""}',
      XDG_CONFIG_HOME: join(profile, 'config'),
      XDG_DATA_HOME: join(profile, 'data'),
    },
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  try {
    const address = await listening(child);
    const url = `${address.replace(/\/$/, '')}/?folder=${encodeURIComponent(folder)}`;
    return { url, ended, processes: () => membersOf(child.pid!), stop: () => endGroup(child.pid!) };
  } catch (error) {
    await endGroup(child.pid!);
    throw error;
  }
}

function prepareProfile(root: string, profile: string, more: Readonly<Record<string, unknown>>): void {
  const { publisher, name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
    string,
    string
  >;
  const extensions = join(profile, 'extensions');
  mkdirSync(extensions, { recursive: true });
  // The list of what an earlier start found; without it the folder is scanned.
  rmSync(join(extensions, 'extensions.json'), { force: true });
  for (const old of readdirSync(extensions)) {
    if (old.startsWith(`${publisher}.${name}-`)) rmSync(join(extensions, old));
  }
  symlinkSync(root, join(extensions, `${publisher}.${name}-${version}`));
  const settings = join(profile, 'user', 'User', 'settings.json');
  mkdirSync(join(settings, '..'), { recursive: true });
  if (!existsSync(settings)) writeFileSync(settings, JSON.stringify({ ...SETTINGS, ...more }, null, 2));
}

function serverArguments(profile: string, port: number): string[] {
  return [
    ...['--auth', 'none', '--bind-addr', `127.0.0.1:${port}`, '--ignore-last-opened'],
    ...['--disable-telemetry', '--disable-update-check', '--disable-workspace-trust'],
    ...['--disable-getting-started-override', '--config', join(profile, 'config.yaml')],
    ...['--user-data-dir', join(profile, 'user'), '--extensions-dir', join(profile, 'extensions')],
  ];
}

/** The address that the server prints once it listens. @throws Error with its output when it ends before. */
function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      const address = /HTTP server listening on (http:\S+)/.exec(output)?.[1];
      if (address !== undefined) resolve(address);
    };
    child.stdout!.on('data', read);
    child.stderr!.on('data', read);
    child.once('error', reject);
    child.once('exit', (status) => {
      const end = output.trimEnd().split('\n').slice(-8).join('\n');
      reject(new Error(`code-server ended with status ${status} before it listened:\n${end}`));
    });
  });
}
