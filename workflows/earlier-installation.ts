import { continueAsNew, defineSignal, patched, setHandler } from '@temporalio/workflow';
import { SIGNALS, type ProcessStatus, type StatusUpdate } from '../domain/installation/process-status.js';
import { conclude, judge, notify } from './activities.js';
import { EDITION, STATUS, type InstallationEnd, type InstallationRef } from './messages.js';
import { isStatus, statusIn } from './status-in.js';
import { isHistoryLong, waitFor } from './waiting.js';

/**
 * The steps of processes that were started by an earlier version, as their histories have them (test/histories/). They
 * wait for months at most: this file goes when none can run any more.
 *
 * Edition 1 (none in the reference) looked at the row once more when it had ended; edition 2 did not. Both were told
 * where the row stands by seven signals, named for why they came, and ended as Completed, however the installation did.
 */
export async function earlierInstallation(ref: InstallationRef): Promise<InstallationEnd> {
  let news: ProcessStatus | undefined;
  for (const name of SIGNALS)
    setHandler(defineSignal<[ProcessStatus]>(name), (status) => {
      if (isStatus(status)) news = status;
    });
  setHandler(defineSignal<[StatusUpdate]>(STATUS), (update) => {
    news = statusIn(update) ?? news;
  });

  async function newsBeforeDue(at: ProcessStatus): Promise<ProcessStatus | undefined> {
    // The new run takes the steps of today.
    if (isHistoryLong() && patched('new-run-of-a-long-history')) await continueAsNew({ ...ref, edition: EDITION });
    // Of a signal or of an activity: no span is known.
    await waitFor(() => news !== undefined, { until: at.until, waitingOn: at.waitingOn });
    const heard = news;
    news = undefined;
    return heard;
  }

  async function newsOrJudgement(at: ProcessStatus): Promise<ProcessStatus> {
    const heard = await newsBeforeDue(at);
    const overdue = heard !== undefined && heard.stage !== 'ended' && heard.until !== null && heard.until <= Date.now();
    return heard === undefined || overdue ? judge(ref) : heard;
  }

  for (;;) {
    let at = await notify(ref);
    while (at.stage === 'begin') {
      await newsBeforeDue(at);
      at = await notify(ref);
    }
    while (at.stage === 'download') at = await newsOrJudgement(at);
    while (at.stage === 'outcome') at = await newsOrJudgement(at);
    while (at.stage === 'soak') at = await newsOrJudgement(at);
    const verdict =
      ref.edition === undefined
        ? await conclude(ref)
        : { done: at.stage === 'ended', state: at.state, attempt: at.attempt };
    if (verdict.done) return { state: verdict.state, attempt: verdict.attempt };
  }
}
