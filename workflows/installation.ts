import { condition, defineSignal, setCurrentDetails, setHandler } from '@temporalio/workflow';
import { SIGNALS, type ProcessStatus } from '../domain/installation/process-status.js';
import { conclude, judge, notify } from './activities.js';
import type { InstallationEnd, InstallationRef } from './messages.js';

/** What the engine takes as a timer's summary; it stands in the timeline of the Temporal UI, also when all is over. */
const SUMMARY_CHARACTERS = 200;

/**
 * One installation on one device: wait until it may begin, notify the device, await the download, await the outcome,
 * let the new content prove itself, conclude; and once more, if the attempt failed and another is allowed.
 *
 * Every decision is made by an activity, on the row in PostgreSQL; this code only waits. What it waits for is news (a
 * signal that carries where the row stands) or a time; when a time has come, `judge` looks whether anything is due, for
 * reports move deadlines without a signal.
 */
export async function installation(ref: InstallationRef): Promise<InstallationEnd> {
  let news: ProcessStatus | undefined;
  for (const name of SIGNALS) {
    setHandler(defineSignal<[ProcessStatus]>(name), (status) => {
      news = status;
    });
  }

  /** Where the row stands once there is news, or undefined when the time came first. */
  async function newsBeforeDue(at: ProcessStatus): Promise<ProcessStatus | undefined> {
    setCurrentDetails(at.waitingOn);
    if (at.until === null) await condition(() => news !== undefined);
    else
      await condition(() => news !== undefined, Math.max(at.until - Date.now(), 1), {
        summary: at.waitingOn.slice(0, SUMMARY_CHARACTERS),
      });
    const heard = news;
    news = undefined;
    return heard;
  }

  /** News that is overdue already is judged at once: the shortest timer of the engine takes about a second. */
  async function newsOrJudgement(at: ProcessStatus): Promise<ProcessStatus> {
    const heard = await newsBeforeDue(at);
    const overdue = heard !== undefined && heard.stage !== 'ended' && heard.until !== null && heard.until <= Date.now();
    return heard === undefined || overdue ? judge(ref) : heard;
  }

  for (;;) {
    // Wait until it may begin: its time, its back-off, its turn on this device. Then the device is notified.
    let at = await notify(ref);
    while (at.stage === 'begin') {
      await newsBeforeDue(at);
      at = await notify(ref);
    }
    while (at.stage === 'download') at = await newsOrJudgement(at);
    while (at.stage === 'outcome') at = await newsOrJudgement(at);
    while (at.stage === 'soak') at = await newsOrJudgement(at);

    // What ended stays as it ended, so that its news says all; an attempt that is over is looked at by the next
    // `notify`.
    const verdict =
      ref.edition === undefined
        ? await conclude(ref)
        : { done: at.stage === 'ended', state: at.state, attempt: at.attempt };
    if (verdict.done) return { state: verdict.state, attempt: verdict.attempt };
  }
}
