import { describe } from 'vitest';
import { findTool, TOOLS, type Tool } from './find-tool.ts';

export { findTool, TOOLS, type Tool } from './find-tool.ts';

/** Starts the reason in a test's name; the reporter lists such tests as not run. */
export const NOT_RUN = 'not run: ';

/**
 * A `describe` that runs when all `tools` are installed. Where one is missing its tests do not run, and the
 * closing report lists them with the command that installs it.
 */
export function describeWith(tools: readonly Tool[], name: string, body: () => void): void {
  const missing = tools.filter((tool) => findTool(tool) === undefined);
  describeNeeding([...new Set(missing.map((tool) => TOOLS[tool]))], name, body);
}

/** As `describeWith`, with the Debian packages that are missing. */
export function describeNeeding(packages: readonly string[], name: string, body: () => void): void {
  describeUnless(packages.length === 0 ? null : `apt-get install ${packages.join(' ')}`, name, body);
}

/** A `describe` that does not run for the reason given; null: it runs. */
export function describeUnless(reason: string | null, name: string, body: () => void): void {
  if (reason === null) describe(name, body);
  else describe.skip(`${name} [${NOT_RUN}${reason}]`, body);
}
