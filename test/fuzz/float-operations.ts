import type { SoftFormat, SoftOperation } from '../../vmm/isa/emitter.ts';
import { LOAD_IMMEDIATES, loadImmediateText } from '../../vmm/isa/load-immediate.ts';

/** One floating-point instruction as the guest runs it, with its rounding mode dynamic. */
export interface GuestOperation {
  /** Operands in fa0 to fa2, or a0; the result in ft0, or t0. */
  readonly instruction: string;
  /** What operands and results are. */
  readonly operands: readonly OperandKind[];
  readonly result: SoftFormat | 'integer';
  /** The operation of the software path that gives the same, with the operands' signs turned as `turned` says. */
  readonly soft?: {
    readonly operation: SoftOperation;
    readonly format: SoftFormat;
    readonly turned: readonly number[];
  };
}

export type OperandKind = SoftFormat | 'integer';

const SUFFIX = { f16: 'h', f32: 's', f64: 'd' } as const;
const INTEGERS = { w: 'I32', wu: 'U32', l: 'I64', lu: 'U64' } as const;
/** Bits that a format holds exactly. */
const PRECISION = { f16: 11, f32: 24, f64: 53 } as const;

/** F's, D's or Zfh's instructions that compute. */
export function operationsOf(format: SoftFormat): GuestOperation[] {
  const s = SUFFIX[format];
  const soft = (operation: SoftOperation, ...turned: readonly number[]) => ({ operation, format, turned });
  const fused = (name: string, ...turned: readonly number[]): GuestOperation => ({
    instruction: `${name}.${s} ft0,fa0,fa1,fa2,dyn`,
    operands: [format, format, format],
    result: format,
    soft: soft('fma', ...turned),
  });
  const binary = (name: string, more: Partial<GuestOperation> = {}): GuestOperation => ({
    instruction: `${name}.${s} ${more.result === 'integer' ? 't0' : 'ft0'},fa0,fa1`,
    operands: [format, format],
    result: format,
    ...more,
  });
  return [
    ...(['add', 'sub', 'mul', 'div'] as const).map((name) => binary(`f${name}`, { soft: soft(name) })),
    { instruction: `fsqrt.${s} ft0,fa0`, operands: [format], result: format, soft: soft('sqrt') },
    fused('fmadd'),
    fused('fmsub', 2),
    fused('fnmsub', 0),
    fused('fnmadd', 0, 2),
    ...(['min', 'max'] as const).map((name) => binary(`f${name}`, { soft: soft(name) })),
    ...(['eq', 'lt', 'le'] as const).map((name) =>
      binary(`f${name}`, { result: 'integer', soft: soft(name) }),
    ),
    ...['fsgnj', 'fsgnjn', 'fsgnjx'].map((name) => binary(name)),
    { instruction: `fclass.${s} t0,fa0`, operands: [format], result: 'integer' },
    ...Object.entries(INTEGERS).flatMap(([suffix, name]) => integerConversions(format, suffix, name)),
  ];
}

function integerConversions(
  format: SoftFormat,
  suffix: string,
  name: 'I32' | 'U32' | 'I64' | 'U64',
): GuestOperation[] {
  const s = SUFFIX[format];
  return [
    {
      instruction: `fcvt.${suffix}.${s} t0,fa0,dyn`,
      operands: [format],
      result: 'integer',
      soft: { operation: `to${name}`, format, turned: [] },
    },
    {
      // A conversion that never rounds names a mode all the same, to nearest unless another is written.
      instruction: `fcvt.${s}.${suffix} ft0,a0${Number(name.slice(1)) < PRECISION[format] ? ',rne' : ',dyn'}`,
      operands: ['integer'],
      result: format,
      soft: { operation: `from${name}`, format, turned: [] },
    },
  ];
}

/** Conversions between the formats. */
export function formatConversions(formats: readonly SoftFormat[]): GuestOperation[] {
  return formats.flatMap((from) =>
    formats
      .filter((to) => to !== from)
      .map((to) => ({
        instruction: `fcvt.${SUFFIX[to]}.${SUFFIX[from]} ft0,fa0,${PRECISION[to] > PRECISION[from] ? 'rne' : 'dyn'}`,
        operands: [from],
        result: to,
        soft: { operation: `to${to.toUpperCase()}` as SoftOperation, format: from, turned: [] },
      })),
  );
}

/** Zfa's constants: nothing but the encoding decides. */
export function constants(): GuestOperation[] {
  return (['f16', 'f32', 'f64'] as const).flatMap((format) =>
    LOAD_IMMEDIATES.map((_, index) => ({
      instruction: `fli.${SUFFIX[format]} ft0,${loadImmediateText(index)}`,
      operands: [],
      result: format,
    })),
  );
}

/** Zfa's others. */
export function additionalOperations(): GuestOperation[] {
  const perFormat = (['f16', 'f32', 'f64'] as const).flatMap((format): GuestOperation[] => {
    const s = SUFFIX[format];
    return [
      ...['fminm', 'fmaxm'].map((name) => ({
        instruction: `${name}.${s} ft0,fa0,fa1`,
        operands: [format, format],
        result: format,
      })),
      ...['fround', 'froundnx'].map((name) => ({
        instruction: `${name}.${s} ft0,fa0,dyn`,
        operands: [format],
        result: format,
      })),
      ...['fleq', 'fltq'].map((name) => ({
        instruction: `${name}.${s} t0,fa0,fa1`,
        operands: [format, format],
        result: 'integer' as const,
      })),
    ];
  });
  return [...perFormat, { instruction: 'fcvtmod.w.d t0,fa0,rtz', operands: ['f64'], result: 'integer' }];
}
