import { VmError } from '../base/vm-error.ts';
import { ORDERINGS } from './disassemble.ts';
import type { CompressedInstruction, Instruction } from './instruction.ts';
import { splitSyntax, syntaxOf } from './syntax.ts';
import { instructionByName } from './table.ts';

/**
 * Encodes one instruction in its canonical form, as `disassemble` writes it without aliases: no pseudo-instructions
 * and no symbols. Gives an unsigned number of 32 bits, or 16 for the `c.` mnemonics. `pc` is the instruction's
 * address, from which branch targets are reckoned. Throws `VmError('bad-request')` with the column of what is wrong.
 */
export function assemble(text: string, pc = 0n): number {
  const start = text.length - text.trimStart().length;
  const mnemonic = text.slice(start).split(/\s/, 1)[0]!;
  const { instruction, ordering } = findInstruction(mnemonic.toLowerCase(), start + 1);
  const { syntax, tokens, encodeImmediate } = syntaxOf(instruction);
  const operands = splitOperands(text, start + mnemonic.length);
  let raw = instruction.match | (ordering << 25);
  let next = 0;
  for (const part of splitSyntax(syntax)) {
    const token = tokens[part];
    const operand = operands[next];
    if (token === undefined) {
      // Before an operand that may be left out, its comma may be missing too.
      if (operand?.text === part) next++;
      else if (operand !== undefined || part !== ',') throw wrong(`'${part}' expected`, operand, text);
      continue;
    }
    if (operand === undefined && token.omitted !== undefined) {
      const parsed = token.parse(token.omitted, pc);
      if (parsed !== undefined && 'bits' in parsed) raw |= parsed.bits;
      continue;
    }
    const parsed = operand === undefined ? undefined : token.parse(operand.text, pc);
    if (parsed === undefined) throw wrong(`operand ${part} expected`, operand, text);
    const bits = 'bits' in parsed ? parsed.bits : encodeImmediate(parsed.imm);
    if (bits === undefined) throw wrong(`${operand!.text} is out of range`, operand, text);
    raw |= bits;
    next++;
  }
  if (next < operands.length) throw wrong('end of line expected', operands[next], text);
  return finish(instruction, raw, text);
}

interface Operand {
  readonly text: string;
  readonly column: number;
}

function findInstruction(
  mnemonic: string,
  column: number,
): { instruction: Instruction | CompressedInstruction; ordering: number } {
  for (const [ordering, suffix] of ORDERINGS.entries()) {
    const name = suffix === '' ? mnemonic : mnemonic.slice(0, -suffix.length);
    if (!mnemonic.endsWith(suffix)) continue;
    const instruction = instructionByName(name);
    if (instruction !== undefined && (ordering === 0 || syntaxOf(instruction).ordered)) {
      return { instruction, ordering };
    }
  }
  throw new VmError('bad-request', `there is no instruction '${mnemonic}'`, column);
}

/** Operands and punctuation behind the mnemonic. */
function splitOperands(text: string, from: number): Operand[] {
  const operands: Operand[] = [];
  for (const match of text.slice(from).matchAll(/[(),]|[^(),\s]+/g)) {
    operands.push({ text: match[0].toLowerCase(), column: from + match.index + 1 });
  }
  return operands;
}

/** A compressed instruction may have operands that its encoding reserves for others. */
function finish(instruction: Instruction | CompressedInstruction, raw: number, text: string): number {
  if (!('expand' in instruction)) return raw >>> 0;
  if (instruction.expand(raw) === undefined) throw wrong('these operands are reserved', undefined, text);
  return raw;
}

function wrong(message: string, operand: Operand | undefined, text: string): VmError {
  return new VmError('bad-request', `${message} in '${text.trim()}'`, operand?.column ?? text.length + 1);
}
