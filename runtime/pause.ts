import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves after `ms`, or at once when the signal aborts. Never rejects for that. */
export async function pauseUnless(signal: AbortSignal, ms: number): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** A pause that another part of the program can end early; one at a time. */
export class Pause {
  private waking: AbortController | undefined;

  /** Resolves after `ms`, or when it is woken. */
  async for(ms: number): Promise<void> {
    const waking = new AbortController();
    this.waking = waking;
    await pauseUnless(waking.signal, ms);
    if (this.waking === waking) this.waking = undefined;
  }

  /** Ends the pause under way; where there is none, nothing: the next one is as long as it was meant. */
  wake(): void {
    this.waking?.abort();
  }
}
