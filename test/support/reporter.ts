import type { SerializedError } from 'vitest';
import { DefaultReporter, type TestCase, type TestModule } from 'vitest/node';
import { NOT_RUN } from './tools.ts';

/**
 * Vitest's own report, then the tests that were not run with the command that makes them run, then one line
 * `N passed, N failed, N skipped` as the last thing printed.
 */
export default class ClosingLineReporter extends DefaultReporter {
  override onTestRunEnd(
    modules: readonly TestModule[],
    errors: readonly SerializedError[],
    reason: 'passed' | 'interrupted' | 'failed',
  ): void {
    super.onTestRunEnd(modules, errors, reason);
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const brokenModules = modules.filter((module) => module.errors().length > 0).length;
    const count = (state: string) => tests.filter((test) => test.result().state === state).length;
    const skipped = tests.filter((test) => test.result().state === 'skipped');
    this.#listNotRun(skipped);
    const failed = count('failed') + brokenModules + errors.length;
    // On exit, so that nothing vitest still has to say comes after it.
    process.once('exit', () => closingLine(count('passed'), failed, skipped.length));
  }

  #listNotRun(skipped: readonly TestCase[]): void {
    const byReason = new Map<string, TestCase[]>();
    for (const test of skipped) {
      const reason = /\[not run: ([^\]]*)\]/.exec(test.fullName)?.[1] ?? 'skipped in the source';
      byReason.set(reason, [...(byReason.get(reason) ?? []), test]);
    }
    for (const [reason, tests] of byReason) {
      console.log(`\nNot run (${reason}):`);
      for (const test of tests) {
        console.log(
          `  ${test.module.relativeModuleId} > ${test.fullName.replace(` [${NOT_RUN}${reason}]`, '')}`,
        );
      }
    }
  }
}

function closingLine(passed: number, failed: number, skipped: number): void {
  if (process.env['CI'] && skipped > 0) {
    console.log(`CI runs every test: the ${skipped} not run count as failed.`);
    process.exitCode = 1;
    console.log(`\n${passed} passed, ${failed + skipped} failed`);
    return;
  }
  console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
}
