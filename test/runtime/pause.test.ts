import { describe, expect, it } from '@jest/globals';
import { Pause, pauseUnless } from '../../runtime/pause.js';

const FOR_EVER_MS = 1_000_000;

describe('A pause', () => {
  it('ends by its time', async () => {
    const began = performance.now();
    await new Pause().for(20);
    expect(performance.now() - began).toBeGreaterThan(15);
  });

  it('ends when it is woken', async () => {
    const pause = new Pause();
    const ended = pause.for(FOR_EVER_MS);
    pause.wake();
    await ended;
  });

  it('is not shortened by a wake-up that came before it', async () => {
    const pause = new Pause();
    pause.wake();
    const began = performance.now();
    await pause.for(20);
    expect(performance.now() - began).toBeGreaterThan(15);
  });

  it('ends with its signal, also where that was aborted before', async () => {
    const ending = new AbortController();
    const ended = pauseUnless(ending.signal, FOR_EVER_MS);
    ending.abort();
    await ended;
    await pauseUnless(ending.signal, FOR_EVER_MS);
  });
});
