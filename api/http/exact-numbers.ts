import type { Fault } from '../../domain/errors.js';
import { escapePointer } from './errors.js';

/** A number that may not be kept has sixteen digits or an exponent: without either there is nothing to look for. */
const SUSPECT = /\d{16}|\d[eE]/;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;
const MOST_FAULTS = 20;

/**
 * Numbers of a JSON text that JSON.parse would change in silence: beyond 2^53 - 1 two of them become one, and below
 * 10^-324 they become 0 (RFC 8259 §6). They would be stored as another number, and two requests would have the same
 * fingerprint. @param text valid JSON
 */
export function inexactNumbers(text: string): Fault[] {
  if (!SUSPECT.test(text)) return [];
  const faults: Fault[] = [];
  // Of each array and object around the place: the index, or the name, of the member that is read.
  const around: { at: number | string; isArray: boolean; isKey: boolean }[] = [];
  for (let position = 0; position < text.length && faults.length < MOST_FAULTS; position += 1) {
    const top = around.at(-1);
    const character = text[position];
    if (character === '{' || character === '[')
      around.push({ at: 0, isArray: character === '[', isKey: character === '{' });
    else if (character === '}' || character === ']') around.pop();
    else if (character === ':' && top) top.isKey = false;
    else if (character === ',' && top) {
      if (top.isArray) top.at = Number(top.at) + 1;
      else top.isKey = true;
    } else if (character === '"') {
      const whole = tokenAt(STRING, text, position);
      if (top?.isKey) top.at = JSON.parse(whole) as string;
      position += whole.length - 1;
    } else if (character === '-' || (character !== undefined && character >= '0' && character <= '9')) {
      const whole = tokenAt(NUMBER, text, position);
      const wrong = inexact(whole);
      const pointer = around.map(({ at }) => `/${escapePointer(String(at))}`).join('');
      if (wrong) faults.push({ pointer, detail: wrong });
      position += whole.length - 1;
    }
  }
  return faults;
}

function tokenAt(pattern: RegExp, text: string, position: number): string {
  pattern.lastIndex = position;
  return pattern.exec(text)?.[0] ?? text.slice(position, position + 1);
}

/** What is out of range altogether is refused where the value is looked at (body.ts). */
function inexact(token: string): string | undefined {
  const value = Number(token);
  if (!Number.isFinite(value)) return undefined;
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER)
    return 'is a number beyond 2^53 - 1, which cannot be kept exactly; send it as a string';
  if (value === 0 && /[1-9]/.test(token.split(/[eE]/)[0] ?? ''))
    return 'is a number so small that it would become 0; send 0, or a string';
  return undefined;
}
