import { cut } from './text.js';

/** What `-o` takes. */
export const FORMATS = ['table', 'json', 'yaml', 'id'] as const;
/** One of FORMATS. */
export type Format = (typeof FORMATS)[number];

/** A cell: what is absent is printed as `–`. */
export type Cell = string | number | boolean | null | undefined;

/** How a thing is shown: in a table by its columns, with `-o id` by its id. */
export interface View<T> {
  readonly columns: Readonly<Record<string, (one: T) => Cell>>;
  readonly id: (one: T) => string;
}

/** Where data goes to, and how wide it is. */
export interface Sheet {
  readonly format: Format;
  /** Columns of the terminal; undefined = no terminal, and nothing is cut. */
  readonly width: number | undefined;
}

/** Rows as they are printed, with a line break at the end; of none, a table is empty. */
export async function printRows<T>(rows: readonly T[], { columns, id }: View<T>, sheet: Sheet): Promise<string> {
  if (sheet.format === 'id') return rows.map((row) => `${id(row)}\n`).join('');
  if (sheet.format !== 'table') return printValue(rows, sheet.format);
  if (rows.length === 0) return '';
  const names = Object.keys(columns);
  const cells = rows.map((row) => Object.values(columns).map((cell) => cellText(cell(row))));
  return tableText([names.map((name) => name.toUpperCase()), ...cells], sheet.width);
}

/** One thing: a line for each column. */
export async function printOne<T>(one: T, { columns, id }: View<T>, sheet: Sheet): Promise<string> {
  if (sheet.format === 'id') return `${id(one)}\n`;
  if (sheet.format !== 'table') return printValue(one, sheet.format);
  const lines = Object.entries(columns).map(([name, cell]) => [name, cellText(cell(one))]);
  return tableText(lines, sheet.width);
}

/** JSON with two spaces, or YAML. Nothing is left out or cut. */
export async function printValue(value: unknown, format: 'json' | 'yaml'): Promise<string> {
  if (format === 'json') return `${JSON.stringify(value, null, 2)}\n`;
  const { stringify } = await import('yaml');
  return stringify(value, { lineWidth: 0 });
}

function cellText(cell: Cell): string {
  if (cell === null || cell === undefined || cell === '') return '–';
  if (typeof cell === 'boolean') return cell ? 'yes' : 'no';
  // A line of a table is a line: what a device or a person wrote cannot begin another one, nor colour it.
  return String(cell).replaceAll(/[\u0000-\u001f\u007f]+/g, ' ');
}

const GAP = '  ';

/** Lines of cells below each other, without borders. On a terminal the widest columns are cut until a line fits. */
async function tableText(lines: readonly string[][], width: number | undefined): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const none = Object.fromEntries(BORDERS.map((border) => [border, '']));
  const table = new Table({ chars: { ...none, middle: GAP }, style: { 'padding-left': 0, 'padding-right': 0 } });
  table.push(...fitted(lines, width));
  const text = table.toString().split('\n');
  return text.map((line) => `${line.trimEnd()}\n`).join('');
}

const BORDERS =
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid'.split(
    ' ',
  );
/** Narrower a column is not readable. */
const LEAST = 8;

function fitted(lines: readonly string[][], width: number | undefined): string[][] {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  if (width === undefined) return lines.map((line) => [...line]);
  const room = width - GAP.length * (widths.length - 1);
  for (;;) {
    const over = widths.reduce((sum, one) => sum + one, 0) - room;
    const widest = Math.max(...widths);
    if (over <= 0 || widest <= LEAST) break;
    const second = Math.max(LEAST, ...widths.filter((one) => one < widest));
    const column = widths.indexOf(widest);
    widths[column] = Math.max(second - (second === widest ? 1 : 0), widest - over, LEAST);
    if (widths[column] === widest) widths[column] = widest - 1;
  }
  return lines.map((line) => line.map((cell, column) => cut(cell, widths[column] ?? cell.length)));
}
