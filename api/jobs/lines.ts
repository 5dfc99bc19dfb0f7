import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parse as parseCsv } from 'csv-parse';
import { DomainError } from '../../domain/errors.js';
import { inexactNumbers } from '../http/exact-numbers.js';
import type { JobLine } from '../../store/jobs/jobs.js';

/** Of one file (docs/contracts/operators.md, "Devices in bulk"). */
const MAX_ROWS = 100_000;
const MAX_BYTES = 256 * 1024 * 1024;
/** Of one line: as of one request. */
const MAX_LINE_BYTES = 1024 * 1024;
const LINE_FEED = 0x0a;
/** What TextDecoder throws. */
const NOT_UTF_8 = 'ERR_ENCODING_INVALID_ENCODED_DATA';

/**
 * The lines of a file as they come, in constant memory; empty ones are left out.
 * @throws DomainError REQUEST_TOO_LARGE
 */
export async function* readLines(bytes: AsyncIterable<Buffer>): AsyncGenerator<JobLine, void> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest: Buffer = Buffer.alloc(0);
  let line = 0;
  let rows = 0;
  const toLine = (raw: Buffer): JobLine | undefined => {
    line += 1;
    if (raw.length > MAX_LINE_BYTES) return { line, body: null, fault: `is longer than ${MAX_LINE_BYTES} bytes` };
    try {
      const text = decoder.decode(raw).trim();
      if (text === '') return undefined;
      return text.includes('\0')
        ? { line, body: null, fault: 'holds a NUL character' }
        : { line, body: text, fault: null };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === NOT_UTF_8) return { line, body: null, fault: 'is not UTF-8' };
      throw error;
    }
  };
  for await (const chunk of bounded(bytes)) {
    let from = 0;
    for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, from)) {
      const found = toLine(
        rest.length === 0 ? chunk.subarray(from, at) : Buffer.concat([rest, chunk.subarray(from, at)]),
      );
      rest = Buffer.alloc(0);
      from = at + 1;
      if (found === undefined) continue;
      assertRows((rows += 1));
      yield found;
    }
    const left = chunk.subarray(from);
    // Of a line that is too long, no more than shows it is kept.
    if (rest.length <= MAX_LINE_BYTES) rest = Buffer.concat([rest, left.subarray(0, MAX_LINE_BYTES + 1)]);
  }
  const found = rest.length === 0 ? undefined : toLine(rest);
  if (found === undefined) return;
  assertRows((rows += 1));
  yield found;
}

/** The rows of a CSV file, each as the JSON line that it stands for. The first one has the names of the columns. */
export async function* readCsv(bytes: AsyncIterable<Buffer>): AsyncGenerator<JobLine, void> {
  const parser = parseCsv({
    columns: true,
    info: true,
    bom: true,
    skip_empty_lines: true,
    max_record_size: MAX_LINE_BYTES,
  });
  const feeding = pipeline(Readable.from(bounded(bytes)), parser);
  // It is awaited below, behind the rows; until then its failure shows in the parser.
  feeding.catch(() => undefined);
  let rows = 0;
  try {
    for await (const one of parser as AsyncIterable<{ record: Record<string, string>; info: { lines: number } }>) {
      assertRows((rows += 1));
      const { body, fault } = toDevice(one.record);
      yield { line: one.info.lines, body, fault };
    }
    await feeding;
  } catch (error) {
    if (error instanceof DomainError) throw error;
    // What csv-parse says names the line.
    throw new DomainError(
      'DEVICE_VALIDATION',
      `the file is not CSV: ${(error as Error).message.slice(0, 300)}`,
      {},
      { cause: error },
    );
  } finally {
    parser.destroy();
  }
}

async function* bounded(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new DomainError('REQUEST_TOO_LARGE', `the file is larger than ${MAX_BYTES} bytes`);
    yield chunk;
  }
}

function assertRows(rows: number): void {
  if (rows > MAX_ROWS)
    throw new DomainError('REQUEST_TOO_LARGE', `the file has more than ${MAX_ROWS} rows; send it in several`);
}

/** A column of one attribute begins so. */
const ATTRIBUTE = 'custom.';
const LISTS: ReadonlySet<string> = new Set(['tags', 'aliases']);
const JSON_COLUMNS: ReadonlySet<string> = new Set(['location', 'coordinates', 'configuration', 'custom']);
const OUTSIDE_OF_INFO: ReadonlySet<string> = new Set(['configuration', 'custom']);

/**
 * Columns have the names of the members: those of `info` without a prefix, lists with `;` between, objects as JSON,
 * and `custom.<key>` for one attribute. An empty cell says nothing.
 */
function toDevice(record: Readonly<Record<string, string>>): Pick<JobLine, 'body' | 'fault'> {
  const device: Record<string, unknown> = {};
  const info: Record<string, unknown> = {};
  const custom: Record<string, unknown> = {};
  for (const [name, cell] of Object.entries(record)) {
    if (cell === '') continue;
    if (cell.includes('\0')) return { body: null, fault: 'holds a NUL character' };
    const wrong = hasValue(name) ? numberFault(cell) : undefined;
    if (wrong !== undefined) return { body: null, fault: `${name} ${wrong}` };
    if (name === 'id') device['id'] = cell;
    else if (name.startsWith(ATTRIBUTE)) custom[name.slice(ATTRIBUTE.length)] = valueOf(cell);
    else if (OUTSIDE_OF_INFO.has(name)) device[name] = valueOf(cell);
    else if (LISTS.has(name)) info[name] = cell.split(';').map((part) => part.trim());
    else info[name] = hasValue(name) ? valueOf(cell) : cell;
  }
  if (Object.keys(custom).length > 0) device['custom'] = { ...(device['custom'] as object | undefined), ...custom };
  return { body: JSON.stringify({ ...device, info }), fault: null };
}

/** Whether the cells of a column are JSON. */
function hasValue(name: string): boolean {
  return name === 'communicationInterval' || JSON_COLUMNS.has(name) || name.startsWith(ATTRIBUTE);
}

/** What is wrong with a number of the cell: that it would become another one. */
function numberFault(cell: string): string | undefined {
  const value = valueOf(cell);
  if (value === cell) return undefined;
  if (value === Infinity || value === -Infinity) return 'is a number out of range; write it in quotes, as a text';
  const [first] = inexactNumbers(cell);
  return first && `${first.pointer}${first.pointer === '' ? '' : ' '}${first.detail}`;
}

/** JSON where it is JSON, else the text. */
function valueOf(cell: string): unknown {
  try {
    return JSON.parse(cell) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError || (error as Error).name === 'SyntaxError') return cell;
    throw error;
  }
}

/** Bytes of a request, which stays open for its answer where the reader gives up. */
export function bytesOf(request: Readable): AsyncIterable<Buffer> {
  return request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}
