import { readFileSync } from 'node:fs';
import type { Document } from 'yaml';
import { SlipwayError, type Problem } from '../../client/index.js';
import { CliError } from './exit.js';

/** A file of YAML or JSON, with the places of what stands in it. */
export interface PlanFile {
  readonly name: string;
  readonly value: Readonly<Record<string, unknown>>;
  /** `plan.yaml:12:15` for a JSON pointer; of what is not in the file, the place of what would hold it. */
  readonly placeOf: (pointer: string) => string;
}

/**
 * Reads a file; `-` is standard input.
 * @throws CliError usage, with line and column where it does not parse
 */
export async function readPlan(file: string): Promise<PlanFile> {
  const text = readFileSync(file === '-' ? 0 : file, 'utf8');
  const name = file === '-' ? 'standard input' : file;
  const { LineCounter, parseDocument } = await import('yaml');
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  const [fault] = document.errors;
  if (fault) throw new CliError('usage', `${at(fault.pos[0])} ${fault.message}`, 'The file is YAML or JSON.');
  const value: unknown = document.toJS();
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CliError(
      'usage',
      `${at(0)} it holds no members`,
      'The file is YAML or JSON with members, such as name: …',
    );
  return { name, value: value as PlanFile['value'], placeOf: (pointer) => at(offsetOf(document, pointer)) };
}

/** Where the value stands that a pointer names (RFC 6901); of one that is not there, what is nearest above it. */
function offsetOf(document: Document, pointer: string): number {
  const keys = pointer
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((key) => (/^\d+$/.test(key) ? Number(key) : key));
  for (let depth = keys.length; depth > 0; depth -= 1) {
    const node = document.getIn(keys.slice(0, depth), true) as { range?: readonly number[] } | undefined;
    if (node?.range?.[0] !== undefined) return node.range[0];
  }
  return (document.contents as { range?: readonly number[] } | null)?.range?.[0] ?? 0;
}

/**
 * Sends what a file holds, with what the caller adds to it. The faults that the API names are printed at their places.
 * @param change what is sent in place of the file's own value
 */
export async function sendPlan<Body, Answer>(
  file: string,
  send: (body: Body) => Promise<Answer>,
  change: (value: PlanFile['value']) => Promise<object> | object = (value) => value,
): Promise<Answer> {
  const plan = await readPlan(file);
  // The API checks it whole, and says more than a schema here could.
  const body = (await change(plan.value)) as Body;
  try {
    return await send(body);
  } catch (error) {
    const faults = error instanceof SlipwayError ? error.problem.errors : undefined;
    if (!(error instanceof SlipwayError) || !faults || faults.length === 0) throw error;
    throw new CliError('usage', linesOf(plan, faults), 'Correct the file and try again; --help has an example.');
  }
}

function linesOf(plan: PlanFile, faults: NonNullable<Problem['errors']>): string {
  const lines = faults.map(({ pointer, detail, position }) => {
    const where = position === undefined ? '' : ` at ${position}:`;
    return `${plan.placeOf(pointer)} ${pointer === '' ? '/' : pointer}${where} ${detail}`;
  });
  return `the API refuses ${plan.name}\n${lines.map((line) => `  ${line}`).join('\n')}`;
}
