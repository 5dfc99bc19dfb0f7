import type { Page } from '@playwright/test';

/** The longest stretches of the main thread, milliseconds. */
export interface LongestTask {
  /** As `PerformanceObserver` has it; 0 = none took 50 ms. */
  readonly wall: number;
  /** What of the longest one the thread itself computed. */
  readonly cpu: number;
}

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds of the thread's CPU. */
  readonly tdur?: number;
  readonly args: { readonly name?: string };
}

const NOTE_LONG_TASKS = `globalThis.longTasks = [];
new PerformanceObserver((list) => globalThis.longTasks.push(...list.getEntries().map((entry) => entry.duration)))
  .observe({ type: 'longtask', buffered: true });`;
/** In the trace of Chromium: one task of a thread. */
const TASK = 'ThreadControllerImpl::RunTask';

/** Watches the main thread of a page from its next navigation on. @returns a function that ends it and says the worst */
export async function watchTasks(page: Page): Promise<() => Promise<LongestTask>> {
  const browser = page.context().browser();
  if (!browser) throw new Error('the page has no browser that traces');
  await page.addInitScript(NOTE_LONG_TASKS);
  await browser.startTracing(page, { categories: ['toplevel'] });
  return async () => {
    const wall = await page.evaluate<number>('Math.max(0, ...globalThis.longTasks)');
    const trace = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: readonly TraceEvent[] };
    const threadOf = ({ pid, tid }: TraceEvent): string => `${pid} ${tid}`;
    const main = new Set(
      trace.traceEvents
        .filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain')
        .map(threadOf),
    );
    const tasks = trace.traceEvents.filter((event) => event.name === TASK && main.has(threadOf(event)));
    if (tasks.length === 0) throw new Error('the trace has no task of the page');
    const cpu = tasks.reduce((most, { tdur = 0 }) => Math.max(most, tdur), 0) / 1_000;
    return { wall: Math.round(wall), cpu: Math.round(cpu) };
  };
}
