import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import type { Principal } from './route.js';

/**
 * How often the token of an answer that is still open is looked at: what is revoked stops everywhere in under 5 s
 * (docs/contracts/operators.md, "API keys"), also a stream that began before.
 */
const LOOK_MS = 2_000;

/**
 * Ends an answer that its handler writes on (a stream) once its token would not be let in any more. The client asks
 * again, and learns why. A token that cannot be looked at now is left alone until the next look.
 */
export function endWithToken(request: Request, response: Response, admit: () => Promise<Principal>, log: Logger): void {
  if (response.writableEnded || response.destroyed) return;
  const timer = setInterval(() => {
    admit().catch((error: { status?: number }) => {
      if (error.status !== 401 && error.status !== 403) return;
      log.info({ path: request.path }, 'an answer that was open was ended: its token is not let in any more');
      response.end();
    });
  }, LOOK_MS);
  timer.unref();
  response.once('close', () => clearInterval(timer));
}
