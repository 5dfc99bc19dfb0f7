import { readFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import { leftOf, momentOf, spanOf, type Clock } from './clock.js';
import { codeOf, replaceFile } from './write-file.js';

const toldWait = z.object({
  /** Scheme, host and port: another server has said nothing. */
  origin: z.string(),
  span: z.object({ leftMs: z.number().nonnegative(), at: z.number(), boot: z.string() }),
});

/**
 * Writes down that a server wants no request for so long: a device that is started anew asks no sooner for that. A
 * server that is overloaded sends `Retry-After` to thousands.
 * @param path of the download; what is told stands beside it
 */
export async function keepRetryAfter(
  path: string,
  { url, ms, clock, durable }: { url: string; ms: number; clock: Clock; durable: boolean },
): Promise<void> {
  const content = JSON.stringify({ origin: originOf(url), span: spanOf(ms, momentOf(clock)) });
  try {
    await replaceFile(fileOf(path), content, durable);
  } catch (error) {
    if (codeOf(error) === undefined) throw error; // a full disk costs the memory of it, not the download
  }
}

/** @returns milliseconds; 0 = nothing was told, or it is over, or what is there cannot be read */
export async function retryAfterLeft(path: string, url: string, clock: Clock): Promise<number> {
  const told = toldWait.safeParse(await contentOf(fileOf(path))).data;
  return told?.origin === originOf(url) ? leftOf(told.span, momentOf(clock)) : 0;
}

/** It is over. */
export function forgetRetryAfter(path: string): Promise<void> {
  return rm(fileOf(path), { force: true });
}

function fileOf(path: string): string {
  return `${path}.wait`;
}

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : '';
}

async function contentOf(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError || codeOf(error) !== undefined) return undefined;
    throw error;
  }
}
