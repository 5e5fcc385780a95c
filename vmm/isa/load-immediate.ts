/**
 * The constants that fli loads, by the number in the rs1 field (unprivileged, "Zfa", "Load-Immediate Instructions"). `min`,
 * the smallest positive normal number, depends on the format.
 */
export const LOAD_IMMEDIATES: readonly (number | 'min')[] = [
  ...[-1, 'min' as const, 2 ** -16, 2 ** -15, 2 ** -8, 2 ** -7, 2 ** -4, 2 ** -3],
  ...[0.25, 0.3125, 0.375, 0.4375, 0.5, 0.625, 0.75, 0.875],
  ...[1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4],
  ...[8, 16, 128, 256, 2 ** 15, 2 ** 16, Number.POSITIVE_INFINITY, Number.NaN],
];

/** A constant as assemblers write it: `min`, `inf`, `nan`, or a hexadecimal number such as `0x1.4p-2`. */
export function loadImmediateText(index: number): string {
  const value = LOAD_IMMEDIATES[index]!;
  if (value === 'min') return 'min';
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return 'inf';
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  const fraction = Math.abs(value) / 2 ** exponent - 1;
  const digit = fraction === 0 ? '' : `.${(fraction * 16).toString(16)}`;
  return `${value < 0 ? '-' : ''}0x1${digit}p${exponent < 0 ? '' : '+'}${exponent}`;
}

/** The number of the constant that a text means, in hexadecimal or decimal; undefined when there is none. */
export function parseLoadImmediate(text: string): number | undefined {
  const spelled = LOAD_IMMEDIATES.findIndex((_, index) => loadImmediateText(index) === text);
  const index = spelled >= 0 ? spelled : LOAD_IMMEDIATES.indexOf(parseDecimal(text));
  return index < 0 ? undefined : index;
}

function parseDecimal(text: string): number {
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
}
