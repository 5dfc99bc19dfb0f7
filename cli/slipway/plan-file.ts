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
  const [first, second] = await readPlans(file);
  if (first === undefined) throw new CliError('usage', `${nameOf(file)}:1:1 it holds no members`, MEMBERS);
  if (second !== undefined)
    throw new CliError('usage', `${second.placeOf('')} a second document begins here`, 'One file holds one of them.');
  return first;
}

const MEMBERS = 'The file is YAML or JSON with members, such as name: …';
const nameOf = (file: string) => (file === '-' ? 'standard input' : file);

/**
 * Reads each document of a file; in YAML `---` parts them. Empty ones are left out.
 * @throws CliError usage, with line and column where one does not parse, or holds no members
 */
export async function readPlans(file: string): Promise<PlanFile[]> {
  const text = readFileSync(file === '-' ? 0 : file, 'utf8');
  const name = nameOf(file);
  const { LineCounter, parseAllDocuments } = await import('yaml');
  const lines = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  // Of an empty text the answer is an empty list with members of its own.
  return [...(documents as Document[])].flatMap((document) => {
    const [fault] = document.errors;
    if (fault) throw new CliError('usage', `${at(fault.pos[0])} ${fault.message}`, 'The file is YAML or JSON.');
    const value: unknown = document.toJS();
    if (value === null) return [];
    if (typeof value !== 'object' || Array.isArray(value))
      throw new CliError('usage', `${at(offsetOf(document, ''))} it holds no members`, MEMBERS);
    return [{ name, value: value as PlanFile['value'], placeOf: (pointer) => at(offsetOf(document, pointer)) }];
  });
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
    throw placed(plan, error);
  }
}

/** An error with the places in the file of what the API found wrong; others are as they were. */
export function placed(plan: PlanFile, error: unknown): unknown {
  const faults = error instanceof SlipwayError ? error.problem.errors : undefined;
  if (!faults || faults.length === 0) return error;
  return new CliError('usage', linesOf(plan, faults), 'Correct the file and try again; --help has an example.');
}

function linesOf(plan: PlanFile, faults: NonNullable<Problem['errors']>): string {
  const lines = faults.map(({ pointer, detail, position }) => {
    const where = position === undefined ? '' : ` at ${position}:`;
    return `${plan.placeOf(pointer)} ${pointer === '' ? '/' : pointer}${where} ${detail}`;
  });
  return `the API refuses ${plan.name}\n${lines.map((line) => `  ${line}`).join('\n')}`;
}
