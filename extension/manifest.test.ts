import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { configurationAttributes, DEBUG_TYPE } from '../debug-adapter/contract/launch.ts';

interface Manifest {
  readonly icon: string;
  readonly activationEvents: readonly string[];
  readonly contributes: {
    readonly debuggers: {
      type: string;
      configurationAttributes: object;
      readonly configurationSnippets: readonly { readonly body: Record<string, unknown> }[];
    }[];
    readonly commands: readonly { readonly command: string }[];
    readonly menus: Readonly<Record<string, readonly { readonly command: string }[]>>;
    readonly views: Readonly<Record<string, readonly { readonly id: string; readonly icon: string }[]>>;
    readonly viewsWelcome: readonly { readonly view: string }[];
    readonly languages: readonly { readonly configuration: string }[];
    readonly grammars: readonly { readonly path: string }[];
  };
}

const root = new URL('..', import.meta.url);
const path = fileURLToPath(new URL('package.json', root));
const read = (): Manifest => JSON.parse(readFileSync(path, 'utf8')) as Manifest;
const sources = ['commands.ts', 'extension.ts', 'views/machines-view.ts', 'views/stats-view.ts']
  .concat(['views/trace-view.ts', 'views/walk-view.ts'])
  .map((name) => readFileSync(new URL(name, import.meta.url), 'utf8'))
  .join('\n');

describe("the extension's manifest", () => {
  // UPDATE=1 writes the debug adapter's schema into the manifest.
  test('completes launch.json from the schema that the adapter checks with', () => {
    const expected = configurationAttributes();
    if (process.env['UPDATE'] === '1') {
      const manifest = read();
      manifest.contributes.debuggers[0]!.configurationAttributes = expected;
      writeFileSync(path, JSON.stringify(manifest, null, 2) + '\n');
    }
    const [debug] = read().contributes.debuggers;
    expect(debug!.type).toBe(DEBUG_TYPE);
    expect(debug!.configurationAttributes).toEqual(JSON.parse(JSON.stringify(expected)));
  });

  test('has snippets that the schema knows every key of', () => {
    const schemas = configurationAttributes() as Record<string, { properties: object }>;
    for (const { body } of read().contributes.debuggers[0]!.configurationSnippets) {
      const { type, request, name, ...rest } = body;
      expect([type, typeof name]).toEqual([DEBUG_TYPE, 'string']);
      expect(Object.keys(schemas[request as string]!.properties)).toEqual(
        expect.arrayContaining(Object.keys(rest)),
      );
    }
  });

  test('names commands and views that the code registers', () => {
    const { commands, menus, views, viewsWelcome } = read().contributes;
    const registered = [...sources.matchAll(/\bcommand\(\s*'([^']+)'/g)].map(([, name]) => name);
    const declared = commands.map(({ command }) => command);
    expect(registered.toSorted()).toEqual(declared.toSorted());
    for (const { command } of Object.values(menus).flat()) expect(declared).toContain(command);

    const ids = [...sources.matchAll(/static readonly id = '([^']+)'/g)].map(([, id]) => id);
    const shown = Object.values(views).flat();
    expect(shown.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
    for (const { view } of viewsWelcome) expect(ids).toContain(view);
  });

  test('names files that exist', () => {
    const { icon, contributes } = read();
    const named = [
      icon,
      ...Object.values(contributes.views).flatMap((list) => list.map((view) => view.icon)),
      ...contributes.languages.map(({ configuration }) => configuration),
      ...contributes.grammars.map((grammar) => grammar.path),
    ];
    expect(named.filter((file) => !existsSync(new URL(file, root)))).toEqual([]);
  });
});
