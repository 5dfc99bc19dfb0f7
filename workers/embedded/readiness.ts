import { setTimeout as sleep } from 'node:timers/promises';

/** Measured: 3 to 5 s with the first database; a loaded machine takes a multiple. */
const READY_LIMIT_MS = 60_000;
const ASK_LIMIT_MS = 3_000;

/**
 * Asks /health/ready for all parts until it answers 200, and tells `say` when it does. After a minute `say` is told
 * once what is missing, and the asking goes on, slowly: what was missing may come back.
 */
export async function tellWhenReady(http: string, ending: AbortSignal, say: (sentence: string) => void): Promise<void> {
  const began = Date.now();
  let complained = false;
  while (!ending.aborted) {
    const missing = await ask(http, ending);
    if (missing === undefined) return say(`Ready after ${((Date.now() - began) / 1000).toFixed(1)} s.`);
    if (!complained && Date.now() - began > READY_LIMIT_MS) {
      complained = true;
      say(`Not ready after ${READY_LIMIT_MS / 1000} s: ${missing}. It goes on trying; the log says more.`);
    }
    await sleep(complained ? 2_000 : 250, undefined, { signal: ending }).catch(() => undefined);
  }
}

/** Undefined when all is there, else what is not. */
async function ask(http: string, ending: AbortSignal): Promise<string | undefined> {
  try {
    const response = await fetch(`${http}/health/ready?all=true`, {
      signal: AbortSignal.any([ending, AbortSignal.timeout(ASK_LIMIT_MS)]),
    });
    const body = await response.text();
    return response.status === 200 ? undefined : `/health/ready answers ${response.status} ${body.slice(0, 500)}`;
  } catch (error) {
    const cause = (error as Error).cause as Error | undefined;
    return `/health/ready does not answer (${cause?.message ?? (error as Error).message})`;
  }
}
