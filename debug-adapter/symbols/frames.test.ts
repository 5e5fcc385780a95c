import { expect, it } from 'vitest';
import { describeWith } from '../../test/support/tools.ts';
import type { CfaRule, RegisterRule } from './dwarf/call-frame-program.ts';
import { CallFrames, type UnwindRow } from './dwarf/call-frames.ts';
import { DwarfSections } from './dwarf/sections.ts';
import { REGISTER_NAMES } from './registers.ts';
import { buildProgram, removeProgram, runTool, SOURCES } from './testing/programs.ts';

interface OracleRow {
  readonly start: bigint;
  readonly end: bigint;
  /** `CFA=sp+32 s0=c-16 ra=c-8`, without registers that are not saved. */
  readonly text: string;
}

/** Rows of `objdump --dwarf=frames-interp`. */
function oracleRows(path: string): OracleRow[] {
  const rows: OracleRow[] = [];
  let columns: string[] = [];
  let entry: { start: bigint; end: bigint } | undefined;
  const pending: { start: bigint; text: string }[] = [];
  const flush = (): void => {
    for (const [index, row] of pending.entries()) {
      rows.push({ ...row, end: pending[index + 1]?.start ?? entry!.end });
    }
    pending.length = 0;
  };
  for (const line of runTool('riscv64-unknown-elf-objdump', ['--dwarf=frames-interp', path]).split('\n')) {
    const header = /^[0-9a-f]{8} .* FDE .*pc=([0-9a-f]+)\.\.([0-9a-f]+)/.exec(line);
    if (header || / CIE /.test(line)) {
      if (entry !== undefined) flush();
      entry = header ? { start: BigInt(`0x${header[1]}`), end: BigInt(`0x${header[2]}`) } : undefined;
    } else if (/^\s+LOC\s+CFA/.test(line)) columns = line.trim().split(/\s+/).slice(2);
    else if (entry !== undefined && /^[0-9a-f]{16} /.test(line)) {
      const [start, cfa, ...values] = line.trim().split(/\s+/);
      const saved = columns.flatMap((name, index) =>
        values[index] === 'u' ? [] : [`${name}=${values[index]}`],
      );
      pending.push({ start: BigInt(`0x${start}`), text: [`CFA=${cfa}`, ...saved].join(' ') });
    }
  }
  if (entry !== undefined) flush();
  return rows;
}

/** The row as objdump writes it. */
function describeRow(row: UnwindRow): string {
  const order = [...row.registers].sort(([a], [b]) => a - b);
  const saved = order.flatMap(([number, rule]) => {
    const text = describeRule(rule);
    const name = number === row.returnAddressRegister ? 'ra' : REGISTER_NAMES[number];
    return text === 'u' ? [] : [`${name}=${text}`];
  });
  return [`CFA=${describeCfa(row.cfa)}`, ...saved].join(' ');
}

function describeCfa(cfa: CfaRule): string {
  if (cfa.kind !== 'register') return cfa.kind;
  return `${REGISTER_NAMES[cfa.register]}${cfa.offset < 0n ? '' : '+'}${cfa.offset}`;
}

function describeRule(rule: RegisterRule): string {
  switch (rule.kind) {
    case 'offset':
      return `c${rule.offset < 0n ? '' : '+'}${rule.offset}`;
    case 'undefined':
      return 'u';
    default:
      return rule.kind;
  }
}

describeWith(['riscv64-unknown-elf-gcc', 'riscv64-unknown-elf-objdump'], 'call frame information', () => {
  it.each([
    '-gdwarf-4 -O0',
    '-gdwarf-5 -O1',
    '-gdwarf-5 -O2',
    '-gdwarf-5 -Os -DC_HANDLER',
    '-gdwarf-5 -O1 -fasynchronous-unwind-tables',
    '-O2 -fasynchronous-unwind-tables -DC_HANDLER',
  ])('has the rows that objdump shows, with %s', (flags) => {
    const program = buildProgram(SOURCES, flags.split(' '));
    try {
      const sections = new DwarfSections(program.elf, 0n, (problem) => expect.fail(problem));
      const frames = new CallFrames(sections);
      const expected = oracleRows(program.path);
      expect(expected.length).toBeGreaterThan(10);
      for (const { start, end, text } of expected) {
        // objdump prints rows that hold for no instruction too.
        if (start === end) continue;
        const row = frames.rowAt(start)!;
        expect(`${row.start.toString(16)} ${describeRow(row)}`).toBe(`${start.toString(16)} ${text}`);
        expect(row.end).toBe(end);
        expect(frames.rowAt(end - 1n)).toEqual(row);
      }
      expect(frames.rowAt(0x8100_0000n)).toBeUndefined();
    } finally {
      removeProgram(program);
    }
  });
});
