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
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!;
    if (last !== '' && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}
