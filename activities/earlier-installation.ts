import type { ProcessStatus } from '../domain/installation/process-status.js';
import type { DecideBy, Ref } from './process-events.js';

/** How an attempt ended: the process is done, or goes round again. */
export interface Verdict {
  readonly done: boolean;
  readonly state: string;
  readonly attempt: number;
}

/**
 * The activities of processes that were started by an earlier version and may still run
 * (workflows/earlier-installation.ts). They decide the same as those of today, and answer with the status alone.
 */
export interface EarlierInstallationActivities {
  /** makeOffer of today. */
  notify(ref: Ref): Promise<ProcessStatus>;
  /** Any deadline of today. */
  judge(ref: Ref): Promise<ProcessStatus>;
  /** Done, or retry: what the row says. Only processes of the first edition ask. */
  conclude(ref: Ref): Promise<Verdict>;
}

/** Activities by the names that histories of an earlier version call; all decide as today. */
export function createEarlierInstallationActivities(decide: DecideBy): EarlierInstallationActivities {
  return {
    notify: async (ref) => (await decide(ref, 'begin')).status,
    judge: async (ref) => (await decide(ref, 'deadline')).status,
    async conclude(ref) {
      const { stage, state, attempt } = (await decide(ref, 'deadline')).status;
      return { done: stage === 'ended', state, attempt };
    },
  };
}
