const CSI = '\u001b[';

/** `code` is an SGR parameter of ECMA-48, such as 31 for red. */
export const colour = (code: number, text: string) => `${CSI}${code}m${text}${CSI}0m`;

/** Lines on a terminal that are drawn over themselves. */
export class Canvas {
  private drawn = 0;

  constructor(private readonly out: NodeJS.WriteStream) {}

  draw(lines: (columns: number, rows: number) => readonly string[]): void {
    const { columns = 80, rows = 24 } = this.out;
    const drawn = lines(columns, rows);
    // One write, and the rest of the old picture erased: no flicker, nothing left behind where it has become shorter.
    this.out.write(
      `${this.drawn > 0 ? `${CSI}${this.drawn}A\r` : ''}${drawn.map((line) => `${line}${CSI}K\n`).join('')}${CSI}J`,
    );
    this.drawn = drawn.length;
  }
}

/** Milliseconds as seconds with one decimal. */
export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

/** Lines of at most `width` characters; a longer word stands on a line of its own. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let last = '';
  for (const word of text.split(' ')) {
    const isFull = last !== '' && last.length + 1 + word.length > width;
    if (isFull) lines.push(last);
    last = isFull || last === '' ? word : `${last} ${word}`;
  }
  return [...lines, last];
}

/** How wide each column of a table is: as its longest cell. All rows have as many cells as the first. */
export function widthsOf(rows: readonly (readonly string[])[]): number[] {
  const [head = []] = rows;
  return head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
}
