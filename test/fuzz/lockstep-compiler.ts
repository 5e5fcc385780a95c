/** A compiler for the translator that is as late as a test wants it to be. */
import type { Batch, CompileJob, CompilePort } from '../../vmm/jit/index.ts';
import type { Random } from '../support/random.ts';

/** When compiled code arrives. */
export type Lateness =
  /** At once, as long as modules are left to compile. */
  | { readonly kind: 'at once'; modules: number }
  /** Not now: hot code is collected. */
  | { readonly kind: 'held' }
  /** Some time, and not in the order of asking. */
  | { readonly kind: 'some time'; readonly random: Random };

export class SteeredCompiler implements CompilePort {
  lateness: Lateness = { kind: 'held' };
  /** Modules compiled since it was made. */
  compiled = 0;
  readonly #jobs: CompileJob[] = [];

  get isIdle(): boolean {
    if (this.lateness.kind === 'at once') return this.lateness.modules > 0;
    return this.lateness.kind === 'some time' && this.lateness.random.below(3) === 0;
  }

  submit(job: CompileJob): void {
    this.#jobs.push(job);
    if (this.lateness.kind === 'at once') this.lateness.modules--;
  }

  take(): Batch | undefined {
    if (this.lateness.kind === 'held') return undefined;
    // What a program before left behind is not worth compiling.
    while (this.#jobs[0]?.translations.every(({ alive }) => !alive)) this.#jobs.shift();
    if (this.#jobs.length === 0) return undefined;
    if (this.lateness.kind === 'at once') return this.#compile(this.#jobs.shift()!);
    const { random } = this.lateness;
    if (random.below(3)) return undefined;
    return this.#compile(this.#jobs.splice(random.below(this.#jobs.length), 1)[0]!);
  }

  #compile({ translations, code }: CompileJob): Batch {
    this.compiled++;
    return { translations, result: new WebAssembly.Module(code as Uint8Array<ArrayBuffer>) };
  }
}
