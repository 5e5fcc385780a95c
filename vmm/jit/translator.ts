import { assert } from '../base/assert.ts';
import type { TranslatorStatistics } from '../contracts/hart.ts';
import { RAM_OFFSET, TLB_ENTRIES, TLB_ENTRY_SIZE, VARIANT, type Variant } from '../hart/layout.ts';
import type { HotContext, Translator, TranslatorParts } from '../hart/translation.ts';
import { ModuleBuilder } from '../wasm/module-builder.ts';
import { hostFusesMultiplyAdd } from '../wasm/multiply-add.ts';
import { CodeCache, codePageOf, offsetOf, type Translation } from './code-cache.ts';
import type { Batch, CompilePort } from './compile-port.ts';
import {
  createDispatch,
  type Dispatch,
  ENTER_SIGNATURE,
  REGION_SIGNATURE,
  SERVE_SIGNATURE,
} from './dispatch.ts';
import { type Jumps, type JumpTarget, JumpTargets } from './jump-targets.ts';
import { type CodePage, type CodeSource, findRegion, type Region, recordOf } from './region.ts';
import { emitRegion, type RegionCode } from './region-code.ts';
import { type Patience, SlowAccesses } from './slow-accesses.ts';

export interface TranslatorOptions {
  readonly compiler: CompilePort;
  /** Checks the whole code cache after each change. */
  readonly verify?: boolean;
  /** The engine refused a module: told once, the guest goes on in the interpreter. */
  readonly refused?: (message: string) => void;
  /** For tests: not to use the engine's fused multiply-add, or to use it. */
  readonly fusesMultiplyAdd?: boolean;
  /** For tests; see the constants of the same names. */
  readonly bytesMax?: number;
  readonly slotsMax?: number;
  readonly patience?: Patience;
  readonly settledAfter?: number;
}

/**
 * Bytes of WebAssembly in the code cache. Machine code is about five times as large, twice while V8 holds both of its
 * tiers, and it reserves address space for all.
 */
const BYTES_MAX = 24 * 2 ** 20;
const SLOTS = 0x4000;
/** Functions a module: V8 takes a tenth of the time for each that it would for a module of its own. */
const BATCH_MAX = 64;

/** In which page from its target a computed jump may be, nearest first: one page of RAM may be mapped twice. */
const JUMP_PAGES = [0, -1, 1, -2, 2];
const NO_TARGETS: readonly number[] = [];

/** Where the pages around a record are. */
type Pages = Pick<HotContext, 'page' | 'fetchTlb'>;

/** Finds regions, has them compiled, and keeps the code cache in step with the guest's code. */
export class RegionTranslator implements Translator {
  readonly #parts: TranslatorParts;
  readonly #options: TranslatorOptions;
  readonly #dispatch: Dispatch;
  readonly #cache: CodeCache;
  readonly #u16: Uint16Array;
  readonly #i32: Int32Array;
  readonly #i64: BigInt64Array;
  /** Found and emitted, not yet with the compiler. */
  #queue: { translation: Translation; code: RegionCode }[] = [];
  #breakOffsets: ReadonlySet<number> = new Set();
  readonly #slow: SlowAccesses;
  readonly #jumps: JumpTargets;
  #translated = 0;
  #dispatching = 0;
  #refused = 0;

  constructor(parts: TranslatorParts, options: TranslatorOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#dispatch = createDispatch(parts.memory);
    this.#slow = new SlowAccesses(options.patience);
    this.#jumps = new JumpTargets(options.settledAfter);
    this.#cache = new CodeCache(parts.memory, parts.code, this.#dispatch.table, {
      bytesMax: options.bytesMax ?? BYTES_MAX,
      slotsMax: options.slotsMax ?? SLOTS,
    });
    const { buffer } = parts.memory.memory;
    this.#u16 = new Uint16Array(buffer);
    this.#i32 = new Int32Array(buffer);
    this.#i64 = new BigInt64Array(buffer);
  }

  get statistics(): TranslatorStatistics {
    return {
      regions: this.#cache.regions,
      translated: this.#translated,
      dispatching: this.#dispatching,
      bytes: this.#cache.bytes,
      refused: this.#refused,
    };
  }

  run(hart: number, remaining: number, slot: number): number {
    return this.#dispatch.run(hart, remaining, slot);
  }

  hot(record: number, variant: Variant, context: HotContext): void {
    if (context.jumpedFrom !== 0) this.#learnJump(record, variant, context);
    if (this.#cache.has(record, variant)) return;
    const region = this.#find(record, context, () => NO_TARGETS);
    if (region === undefined) return;
    this.#enqueue(region, variant, context.page);
    if (this.#options.compiler.isIdle) this.#submit();
    this.poll();
  }

  leftSlowAccess(record: number): void {
    if (this.#slow.left(record)) this.#dropCodeOf(record);
  }

  servedFastAccess(record: number): void {
    if (this.#slow.servedFast(record)) this.#dropCodeOf(record);
  }

  get losses(): number {
    return this.#cache.losses;
  }

  poll(): void {
    const { compiler } = this.#options;
    for (const jumps of this.#jumps.settled()) this.#followJumps(jumps);
    for (let batch = compiler.take(); batch !== undefined; batch = compiler.take()) this.#install(batch);
    if (this.#queue.length > 0 && compiler.isIdle) this.#submit();
  }

  written(host: number, length: number): void {
    const codePage = this.#parts.code.pageFor(host);
    if (this.#cache.written(codePage, host & 0xfff, length)) this.#parts.code.lostTranslation(host);
    this.#check();
  }

  dropped(codePage: number): void {
    this.#cache.dropPage(codePage);
    this.#slow.forget(codePage);
    this.#jumps.forget(codePage);
    this.#check();
  }

  setBreakOffsets(offsets: ReadonlySet<number>): void {
    const added = new Set([...offsets].filter((offset) => !this.#breakOffsets.has(offset)));
    this.#breakOffsets = offsets;
    this.#cache.dropAt(added);
    this.#check();
  }

  jumped(record: number, variant: Variant, context: HotContext): void {
    if (!this.#cache.has(record, variant)) return;
    // The hart may have changed its context since: bare code is where its page of RAM is.
    const page = variant === VARIANT.bare ? this.#physicalPage(record) : context.page;
    this.#learnJump(record, variant, { ...context, page });
  }

  #find(record: number, context: Pages, jumpTargets: CodeSource['jumpTargets']): Region | undefined {
    const source: CodeSource = {
      page: (delta) => this.#page(record, delta, context),
      u16: this.#u16,
      decode: this.#parts.decode,
      isServed: (served) => this.#slow.isServed(served),
      jumpTargets,
      breakOffsets: this.#breakOffsets,
    };
    return findRegion(source, offsetOf(record));
  }

  /** Translated code came to this record by a computed jump. */
  #learnJump(record: number, variant: Variant, { page, fetchTlb, jumpedFrom }: HotContext): void {
    const target: JumpTarget = { record, page, variant, fetchTlb };
    for (const pages of JUMP_PAGES) {
      const from = pages === 0 ? codePageOf(record) : this.#fetched(page + BigInt(pages * 4096), fetchTlb);
      if (from !== codePageOf(jumpedFrom)) continue;
      this.#jumps.learn(codePageOf(jumpedFrom), offsetOf(record) - pages * 4096, target);
      return;
    }
  }

  #physicalPage(record: number): bigint {
    const { ramBase } = this.#parts.memory;
    return BigInt(ramBase + this.#parts.code.hostOf(codePageOf(record)) - RAM_OFFSET);
  }

  /** Makes one region of a page's computed jumps, their targets, and what lies between them. */
  #followJumps(jumps: Jumps): void {
    const { record, page, variant, fetchTlb } = jumps.last;
    const region = this.#find(record, { page, fetchTlb }, (codePage) => this.#jumps.of(codePage));
    if (region === undefined || region.entries.length < 2) return;
    jumps.translation = this.#enqueue(region, variant, page);
  }

  #dropCodeOf(record: number): void {
    this.#cache.written(codePageOf(record), offsetOf(record), 2);
    this.#check();
  }

  /** The page `delta` pages after the record's own, where the fetch cache says that it is. */
  #page(record: number, delta: number, { page, fetchTlb }: Pages): CodePage | undefined {
    const codePage = delta === 0 ? codePageOf(record) : this.#fetched(page + BigInt(delta * 4096), fetchTlb);
    if (codePage === undefined) return undefined;
    return { codePage, hostPage: this.#parts.code.hostOf(codePage) };
  }

  #fetched(page: bigint, fetchTlb: number): number | undefined {
    const index = Number((page >> 12n) & BigInt(TLB_ENTRIES - 1));
    const entry = (fetchTlb >>> 0) + index * TLB_ENTRY_SIZE;
    if (this.#i64[entry >>> 3] !== BigInt.asIntN(64, page)) return undefined;
    return this.#i32[(entry >>> 2) + 2]! >>> 0;
  }

  #enqueue(region: Region, variant: Variant, page: bigint): Translation {
    const { ramBase, ramSize } = this.#parts.memory;
    const code = emitRegion(region, {
      variant,
      target: {
        ramBase,
        ramSize,
        fusesMultiplyAdd: this.#options.fusesMultiplyAdd ?? hostFusesMultiplyAdd(),
      },
      imports: IMPORTS,
      entryPc: page + BigInt(region.entry),
    });
    const size = code.body.code.length;
    const entryPage = region.pages.get(0)!;
    const translation: Translation = {
      region,
      variant,
      records: region.entries.map((offset) => recordOf(entryPage, offset)),
      bound: code.bound,
      size,
      slot: 0,
      alive: true,
    };
    this.#cache.add(translation);
    this.#queue.push({ translation, code });
    return translation;
  }

  #submit(): void {
    const batch = this.#queue.filter(({ translation }) => translation.alive).slice(0, BATCH_MAX);
    this.#queue = this.#queue.filter((entry) => entry.translation.alive && !batch.includes(entry));
    if (batch.length === 0) return;
    const module = new ModuleBuilder();
    const goto = module.importFunction('goto', REGION_SIGNATURE);
    const enter = module.importFunction('enter', ENTER_SIGNATURE);
    const serve = module.importFunction('serve', SERVE_SIGNATURE);
    assert(
      goto === IMPORTS.goto && enter === IMPORTS.enter && serve === IMPORTS.serve,
      'imports stand where code looks for them',
    );
    for (const [index, { code }] of batch.entries()) {
      module.export(`${index}`, module.function(REGION_SIGNATURE, code.body));
    }
    const translations = batch.map(({ translation }) => translation);
    try {
      this.#options.compiler.submit({ translations, code: module.encode() });
    } catch (error) {
      // No memory for the copy, or no thread to take it.
      this.#refuse(translations, error);
    }
  }

  #install({ translations, result }: Batch): void {
    if (result instanceof WebAssembly.Module) {
      try {
        this.#instantiate(translations, result);
      } catch (error) {
        this.#refuse(translations, error);
      }
    } else {
      this.#refuse(translations, result);
    }
    this.#check();
  }

  #instantiate(translations: readonly Translation[], module: WebAssembly.Module): void {
    const { memory } = this.#parts.memory;
    const { goto, enter } = this.#dispatch;
    const { serve } = this.#parts;
    const { exports } = new WebAssembly.Instance(module, { env: { memory, goto, enter, serve } });
    for (const [index, translation] of translations.entries()) {
      if (!translation.alive) continue;
      this.#cache.install(translation, exports[`${index}`]!);
      this.#translated++;
      if (translation.records.length > 1) this.#dispatching++;
    }
  }

  /** The regions stay known, so that nobody tries them again while their code is the same. */
  #refuse(translations: readonly Translation[], error: unknown): void {
    this.#refused++;
    if (this.#refused > 1) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.#options.refused?.(
      `the JavaScript engine refused ${translations.length} translated regions (${reason}); they are interpreted`,
    );
  }

  #check(): void {
    if (this.#options.verify === true) this.#cache.verify();
  }
}

/** Function indices of what all modules of regions import, in their order. */
const IMPORTS = { goto: 0, enter: 1, serve: 2 } as const;
