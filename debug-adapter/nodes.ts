/** What a `variablesReference` stands for. Kept in stable handles, so that a tree keeps its shape from stop to stop. */
import type { Value } from './values/index.ts';

export interface FrameRef {
  readonly hart: number;
  /** Index into the hart's call stack, 0 innermost. */
  readonly level: number;
}

export type VariableNode =
  | ({ readonly kind: 'arguments' | 'locals' | 'globals' } & FrameRef)
  | ({ readonly kind: 'integer-registers' | 'float-registers' } & FrameRef)
  | { readonly kind: 'csrs'; readonly hart: number }
  | { readonly kind: 'csr-group'; readonly hart: number; readonly group: string }
  | { readonly kind: 'csr'; readonly hart: number; readonly name: string }
  | { readonly kind: 'devices' }
  | { readonly kind: 'device'; readonly device: string }
  | { readonly kind: 'device-register'; readonly device: string; readonly register: string }
  | ({ readonly kind: 'value'; readonly value: Value; readonly evaluateName: string } & FrameRef);

/** Frame ids are 1 and up: some clients take 0 for none. */
const LEVELS_MAX = 1 << 16;
export const frameIdOf = ({ hart, level }: FrameRef): number => hart * LEVELS_MAX + level + 1;
export const frameOf = (frameId: number): FrameRef => ({
  hart: Math.floor((frameId - 1) / LEVELS_MAX),
  level: (frameId - 1) % LEVELS_MAX,
});
