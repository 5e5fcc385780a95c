/** source, loadedSources, modules. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { hex } from '../../vmm/base/brands.ts';
import { VmError } from '../../vmm/base/vm-error.ts';
import type { Dap, Handlers } from '../dap.ts';
import { debuggeeOf, type SessionContext } from './context.ts';

export const sourceHandlers: Handlers<SessionContext> = {
  source: async (context, { source, sourceReference }) => {
    const { listings } = debuggeeOf(context);
    const reference = source?.sourceReference ?? sourceReference;
    const content = reference === 0 ? undefined : listings.content(reference);
    if (content === undefined) {
      const what = source?.path ?? `reference ${reference}`;
      throw new VmError(
        'bad-file',
        `Source not found: ${what}. If it lies elsewhere, add a "sourceMap" to the launch configuration.`,
      );
    }
    return { content, mimeType: 'text/x-riscv-assembly' };
  },

  loadedSources: async (context) => ({
    sources: debuggeeOf(context).symbols.all.files().map(toSource),
  }),

  modules: async (context) => {
    const { modules } = debuggeeOf(context).symbols;
    return {
      modules: modules.map(({ name, path, offset, hasLines }) => ({
        ...{ id: name, name, path },
        symbolStatus: hasLines ? 'Symbols and lines loaded' : 'Symbols loaded, no lines',
        symbolFilePath: path,
        ...(offset === 0n ? {} : { addressRange: `loaded at offset ${hex(offset)}` }),
      })),
      totalModules: modules.length,
    };
  },
};

/** A source file; one that is not there is shown as such, and the disassembly serves. */
export function toSource(file: string): Dap.Source {
  return existsSync(file)
    ? { name: basename(file), path: file }
    : { name: basename(file), path: file, presentationHint: 'deemphasize', origin: 'file not found' };
}
