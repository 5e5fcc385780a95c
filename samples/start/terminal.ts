/** Plain text where output is not a terminal or NO_COLOR is set (https://no-color.org). */
const colour = process.stdout.isTTY === true && !process.env['NO_COLOR'];
const styled = (code: number) => (text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);

export const bold = styled(1);
export const dim = styled(2);
const cyan = styled(36);

export function heading(text: string): void {
  console.log(`\n${cyan(`── ${text} ${'─'.repeat(Math.max(0, 96 - text.length))}`)}\n`);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with the ESC control character
const visibleLength = (text: string): number => text.replace(/\x1b\[\d+m/g, '').length;

/** Prints rows with their columns aligned; the last column is not padded. */
export function table(rows: readonly (readonly string[])[]): void {
  const widths = rows.reduce<number[]>(
    (all, row) => row.map((cell, column) => Math.max(all[column] ?? 0, visibleLength(cell))),
    [],
  );
  for (const row of rows) {
    const cells = row.map((cell, column) =>
      column === row.length - 1 ? cell : cell + ' '.repeat(widths[column]! - visibleLength(cell)),
    );
    console.log(cells.join('  ').trimEnd());
  }
}

/** Prints the lines of a source around a 1-based line, which is marked. */
export function underCursor(source: string, line: number): void {
  const lines = source.split('\n');
  const first = Math.max(1, line - 3);
  for (let number = first; number <= Math.min(lines.length, line + 3); number++) {
    const text = `${String(number).padStart(4)}  ${lines[number - 1]}`;
    console.log(number === line ? bold(`▶ ${text}`) : dim(`  ${text}`));
  }
}
