import type { TraceRecord } from './messages.ts';

/**
 * The filter text as an exit condition, when it is one: a condition has a comparison or a logical operator, plain
 * words have not. (A bare field name such as `write` is taken as a word; it finds the same records.)
 */
export function conditionOf(text: string): string | undefined {
  const trimmed = text.trim();
  return /[=<>!]|&&|\|\|/.test(trimmed) ? trimmed : undefined;
}

/** Whether every word of `words` stands in what the row shows, in any case. */
export function matchesWords(record: TraceRecord, words: string): boolean {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return true;
  const shown = [record.exit.kind, record.text, record.location ?? '', record.pc].join(' ').toLowerCase();
  return wanted.every((word) => shown.includes(word));
}

/** All a record holds, as names and values to read: where it happened, then the exit's own fields. */
export function recordFields(record: TraceRecord): readonly (readonly [string, string])[] {
  const { kind, ...exit } = record.exit;
  return [
    ['kind', kind],
    ['stage', record.stage],
    ['hart', String(record.hart)],
    ['pc', record.pc],
    ...(record.location === undefined ? [] : [['at', record.location] as const]),
    ['step', BigInt(record.step).toString()],
    ...Object.entries(exit).map(([name, value]) => [name, valueText(value)] as const),
    ...(record.handlerNs > 0 ? [['handlerNs', String(record.handlerNs)] as const] : []),
  ];
}

function valueText(value: unknown): string {
  if (Array.isArray(value)) return value.map(valueText).join(' ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}
