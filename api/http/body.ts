import type { Request } from 'express';
import { DomainError, type ErrorCode, type Fault } from '../../domain/errors.js';
import { escapePointer, refuseFaults } from './errors.js';
import { inexactNumbers } from './exact-numbers.js';

/** docs/contracts/rest-api.md, "Conventions". */
export const MAX_BODY_BYTES = 1024 * 1024;
/** Deeper than any document a person wrote, and far from where PostgreSQL's jsonb or a recursive walk gives up. */
const MAX_DEPTH = 64;
/** A client that sends its JSON slower than this is not sending it. The application's setting goes before it. */
const BODY_TIMEOUT_MS = 30_000;
/** Its name among the settings of the application. */
export const BODY_TIMEOUT = 'body timeout';

/**
 * Reads a JSON body. Everything that JSON allows and that cannot be kept as it is (PostgreSQL's jsonb has no NUL and no
 * lone surrogate, JSON.parse turns 1e400 into Infinity and 2^53 + 1 into 2^53) is refused here, with a pointer, and
 * never reaches a schema.
 * @returns undefined where the body is empty.
 * @throws DomainError: too large, unsupported media type, or `code` with what is wrong.
 */
export async function readJson(request: Request, accepted: readonly string[], code: ErrorCode): Promise<unknown> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > MAX_BODY_BYTES) throw tooLarge();
  if (declared > 0 || request.headers['transfer-encoding'] !== undefined) checkMediaType(request, accepted);
  const bytes = await readBytes(request);
  if (bytes.length === 0) return undefined;
  const { text, value } = parse(bytes, code);
  const faults = [...findUnkeepable(value), ...inexactNumbers(text)];
  if (faults.length > 0) throw refuseFaults(code, faults);
  return value;
}

/** @returns the type, without its parameters. @throws DomainError 415, naming what is taken here. */
export function checkMediaType(request: Request, accepted: readonly string[]): string {
  const [type = '', ...parameters] = (request.headers['content-type'] ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  const charset = parameters
    .find((parameter) => parameter.startsWith('charset='))
    ?.slice('charset='.length)
    .replaceAll('"', '');
  if (!accepted.includes(type)) {
    throw new DomainError(
      'REQUEST_UNSUPPORTED_MEDIA_TYPE',
      `the content type ${type === '' ? 'is missing' : `"${type.slice(0, 100)}" is not supported here`}; send ${accepted.join(' or ')}`,
    );
  }
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8' && type !== 'application/octet-stream') {
    throw new DomainError(
      'REQUEST_UNSUPPORTED_MEDIA_TYPE',
      `the charset "${charset.slice(0, 40)}" is not supported; JSON is sent as UTF-8`,
    );
  }
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw new DomainError(
      'REQUEST_UNSUPPORTED_MEDIA_TYPE',
      `the content encoding "${encoding.slice(0, 40)}" is not supported; send the body as it is`,
    );
  }
  return type;
}

/**
 * Reads a body as it is. @param most bytes
 * @throws DomainError REQUEST_TOO_LARGE, REQUEST_TIMEOUT, REQUEST_VALIDATION where it broke off
 */
export function readBytes(request: Request, most = MAX_BODY_BYTES): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timeoutMs = (request.app.get(BODY_TIMEOUT) as number | undefined) ?? BODY_TIMEOUT_MS;
    const late = new DomainError('REQUEST_TIMEOUT', `the body did not arrive within ${timeoutMs / 1000} s`);
    const timer = setTimeout(() => settle(() => reject(late)), timeoutMs);
    const settle = (how: () => void): void => {
      clearTimeout(timer);
      request.off('data', onData);
      how();
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > most) settle(() => reject(tooLarge(most)));
      else chunks.push(chunk);
    };
    request.on('data', onData);
    request.once('end', () => settle(() => resolve(Buffer.concat(chunks))));
    request.once('error', (error) =>
      settle(() => reject(new DomainError('REQUEST_VALIDATION', 'the body broke off', {}, { cause: error }))),
    );
    request.once('close', () => settle(() => reject(new DomainError('REQUEST_VALIDATION', 'the body broke off'))));
  });
}

function parse(bytes: Buffer, code: ErrorCode): { text: string; value: unknown } {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new DomainError(
      code,
      'the body is not valid UTF-8',
      { errors: [{ pointer: '', detail: 'is not valid UTF-8' }] },
      { cause: error },
    );
  }
  try {
    return { text, value: JSON.parse(text) as unknown };
  } catch (error) {
    const detail = `is not JSON: ${(error as Error).message.slice(0, 200).replace(/[^\x20-\x7e]/g, '?')}`;
    throw new DomainError(code, `the body ${detail}`, { errors: [{ pointer: '', detail }] }, { cause: error });
  }
}

/**
 * What of a parsed JSON value PostgreSQL cannot keep, some of it. Walks with a list of its own: a hundred thousand
 * nested arrays fit into a mebibyte and would overflow the stack.
 */
export function findUnkeepable(root: unknown): Fault[] {
  const faults: Fault[] = [];
  const todo: { value: unknown; pointer: string; depth: number }[] = [{ value: root, pointer: '', depth: 0 }];
  for (let at = todo.pop(); at !== undefined && faults.length < 20; at = todo.pop()) {
    const { value, pointer, depth } = at;
    if (typeof value === 'string') {
      const wrong = unkeepable(value);
      if (wrong) faults.push({ pointer, detail: wrong });
    } else if (typeof value === 'number' && !Number.isFinite(value)) {
      faults.push({ pointer, detail: 'is a number out of range' });
    } else if (typeof value === 'object' && value !== null) {
      if (depth >= MAX_DEPTH)
        return [{ pointer: pointer.slice(0, 200), detail: `is nested deeper than ${MAX_DEPTH} levels` }];
      for (const [key, inner] of Object.entries(value)) {
        const wrong = key === '__proto__' ? 'is a name that is not accepted' : unkeepable(key);
        const below = `${pointer}/${escapePointer(key.replaceAll(/\p{Surrogate}|\0/gu, '\ufffd'))}`;
        if (wrong) faults.push({ pointer: below, detail: wrong });
        else todo.push({ value: inner, pointer: below, depth: depth + 1 });
      }
    }
  }
  return faults;
}

function unkeepable(value: string): string | undefined {
  if (value.includes('\0')) return 'holds a NUL character, which is not accepted';
  if (/\p{Surrogate}/u.test(value)) return 'holds half of a surrogate pair, which is not a character';
  return undefined;
}

function tooLarge(most = MAX_BODY_BYTES): DomainError {
  return new DomainError('REQUEST_TOO_LARGE', `the body is larger than ${most} bytes`);
}
