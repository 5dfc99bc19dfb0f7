import { describe, expect, it } from '@jest/globals';
import type { CDPSession } from '@playwright/test';
import { until } from '../../support/all-in-one.js';
import { openPage } from '../browser.js';
import type { Crowd } from './crowd.js';
import { scrollToEnd } from './many-devices.js';

/** Milliseconds from the address to the content of the page, at the first visit. */
const CONTENT = 1_000;
/** The same where the CPU has a quarter of its speed. */
const CONTENT_SLOWED = 2_500;
const SLOWED = 4;
/** Bytes of the heap once so many rows are loaded. */
const HEAP = 60_000_000;
const HEAP_ROWS = 10_000;
/** A machine that does other work meanwhile is no fault of a page. */
const FAILS_ABOVE = 2;
const TIMES = 5;
/** With the CPU slowed, those that show the most. */
const HEAVIEST = ['overview', 'devices', 'rollout'];

/** Notes the last moment at which nothing was on its way any more, milliseconds from the navigation on. */
const NOTE_CONTENT = `
let at;
new MutationObserver(() => {
  const isThere = document.querySelector('.frame h1') !== null && document.querySelector('[aria-label="Loading"]') === null;
  if (!isThere) at = undefined;
  else at ??= performance.now();
}).observe(document, { childList: true, subtree: true });
globalThis.contentAt = () => at;`;

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** What a page may cost, printed; it fails above twice that. */
export function budgets(crowd: Crowd): void {
  /** In a session of its own, so that nothing is in a cache. @returns the milliseconds to its content */
  const visit = async (path: string, slowdown: number): Promise<number> => {
    const { page, close } = await openPage(crowd.browser, crowd.url);
    await page.addInitScript(`sessionStorage.setItem('slipway.key', '${crowd.key}');${NOTE_CONTENT}`);
    const cdp = await page.context().newCDPSession(page);
    await cdp.send('Emulation.setCPUThrottlingRate', { rate: slowdown });
    await page.goto(path);
    const at = await until(`${path} shows its content`, () => page.evaluate<number | undefined>('contentAt()'));
    await close();
    return at;
  };
  const medians = async (paths: readonly (readonly [string, string])[], slowdown: number) => {
    const found: (readonly [name: string, ms: number])[] = [];
    for (const [name, path] of paths) {
      const times: number[] = [];
      for (let turn = 0; turn < TIMES; turn += 1) times.push(await visit(path, slowdown));
      found.push([name, Math.round(median(times))]);
    }
    return found;
  };
  const judged = (what: string, found: readonly (readonly [string, number])[], budget: number): void => {
    const over = found.filter(([, value]) => value > budget);
    process.stdout.write(
      `${what}, budget ${budget}: ${found.map(([name, value]) => `${name} ${value}`).join(', ')}${over.length > 0 ? `; OVER: ${over.map(([name]) => name).join(', ')}` : ''}\n`,
    );
    expect(found.filter(([, value]) => value > FAILS_ABOVE * budget)).toEqual([]);
  };

  describe('A page', () => {
    it('shows its content within a second', async () => {
      judged('ms to the content', await medians(Object.entries(crowd.pages), 1), CONTENT);
    }, 240_000);

    it('shows its content within 2.5 s where the CPU has a quarter of its speed', async () => {
      const heavy = Object.entries(crowd.pages).filter(([name]) => HEAVIEST.includes(name));
      judged('ms to the content, slowed', await medians(heavy, SLOWED), CONTENT_SLOWED);
    }, 240_000);

    it(`has a heap below 60 MB with ${HEAP_ROWS.toLocaleString('en')} rows`, async () => {
      const sizes: number[] = [];
      for (let turn = 0; turn < TIMES; turn += 1) {
        const { page, close } = await openPage(crowd.browser, crowd.url);
        await page.addInitScript(`sessionStorage.setItem('slipway.key', '${crowd.key}');`);
        await page.goto('/devices');
        await page.getByRole('grid').focus();
        await scrollToEnd(page, Math.min(HEAP_ROWS, crowd.size));
        sizes.push(await heapOf(await page.context().newCDPSession(page)));
        await close();
      }
      judged('bytes of the heap', [[`${HEAP_ROWS} rows`, median(sizes)]], HEAP);
    }, 300_000);
  });
}

/** What is reachable. */
async function heapOf(cdp: CDPSession): Promise<number> {
  await cdp.send('HeapProfiler.collectGarbage');
  return (await cdp.send('Runtime.getHeapUsage')).usedSize;
}
