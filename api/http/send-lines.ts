import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';
import type { Answer } from './route.js';

/**
 * Answers with JSON lines as they are made, no faster than the client takes them. The first piece is made before the
 * head is sent: what cannot be read at all is answered as an error. A client that leaves ends the making.
 */
export async function sendLines(response: Response, pieces: AsyncGenerator<string, void>): Promise<Answer> {
  const first = await pieces.next();
  response.status(200).set('Cache-Control', 'no-store').type('application/x-ndjson');
  try {
    await pipeline(Readable.from(startingWith(first, pieces)), response);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
  return { handled: true };
}

async function* startingWith(
  first: IteratorResult<string, void>,
  rest: AsyncGenerator<string, void>,
): AsyncGenerator<string, void> {
  if (first.done) return;
  yield first.value;
  yield* rest;
}
