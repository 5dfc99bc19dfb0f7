import { shortened } from '../shortened.js';
import type { Installation } from './installation.js';
import { isEnded } from './states.js';

/** What the sentence needs to know beyond the row; undefined where the caller cannot know it. */
export interface Surroundings {
  readonly online?: boolean;
  /** The node whose connection the document goes to; null = no credential in the device's chain. */
  readonly node?: string | null;
  /** The installation that executes on the device now, where it is another one. */
  readonly executing?: string | null;
  /** Its tenant is suspended: nothing begins. */
  readonly suspended?: boolean;
  /** What is added where nothing can move for now, as a part of a sentence. */
  readonly held?: string;
}

/**
 * One sentence: what this installation waits for, since when, and until when. null once it ended.
 * Dashboard, CLI, API and the Temporal UI print it as it is.
 */
export function waitingOn(i: Installation, around: Surroundings = {}): string | null {
  if (isEnded(i.state)) return null;
  const sentence =
    i.cancel !== null
      ? `Waiting for the device to answer the cancellation${span(i.cancel.requestedAt, i.dueAt)}`
      : subject(i, around);
  return `${sentence}${around.held === undefined ? '' : `; ${around.held}`}.`;
}

function subject(i: Installation, around: Surroundings): string {
  const device = around.online === false ? 'the device, which is offline,' : 'the device';
  const since = span(i.stateSince, i.dueAt);
  switch (i.state) {
    case 'scheduled':
      return i.retryAt !== null
        ? `Waiting to retry: attempt ${i.attempt} of ${i.policy.retry.maxAttempts} starts at ${iso(i.retryAt)}, because ${i.error ? `${i.error.code}: ${i.error.message}` : 'the last attempt failed'}`
        : i.notBefore !== null
          ? `Waiting for its start time${span(i.stateSince, i.notBefore)}`
          : `Waiting for its process to start${span(i.stateSince, i.deadline)}`;
    case 'queued':
      if (around.suspended) return `Waiting for its tenant, which is suspended, to be active again${since}`;
      if (i.place === 'wanted')
        return `Waiting for its rollout to have room for it under its cap, or to be resumed${since}`;
      return `Waiting for its turn on the device${around.executing ? `: installation ${around.executing} is in progress` : ''}${span(i.stateSince, i.deadline)}`;
    case 'delivered':
      return around.node === null
        ? `Waiting for a credential: neither the device nor a gateway in its chain has one, so nothing can be delivered${since}`
        : `Waiting for ${device} to accept the offer${since}`;
    case 'accepted':
      return `Waiting for ${device} to start the download${since}`;
    case 'deferred':
      return `Waiting because the device deferred the installation until ${iso(i.deferral?.until ?? i.stateSince)}${since}`;
    case 'downloading':
      return `Waiting for ${device} to finish the download${i.progress ? ` (${i.progress.bytes} of ${i.progress.total} bytes)` : ''}${since}`;
    case 'downloaded':
      return i.gate === 'hold'
        ? `Waiting for release: the download is complete, and the gate says hold${since}`
        : `Waiting for ${asked(i, device)} to start the installation${since}`;
    case 'installing':
      return `Waiting for ${asked(i, device)} to finish the installation${since}`;
    case 'rebooting':
      if (i.doubt !== null)
        return `Waiting for ${device} to show the new content: it reported version "${shortened(i.doubt.version, 60)}" as installed${since}`;
      if (i.backAt !== null)
        return `Waiting for ${device} to show the new content: it was back with other content at ${iso(i.backAt)}${since}`;
      return `Waiting for ${asked(i, device)} to restart with the new content${since}`;
    case 'confirming':
      return `Waiting for the new content to pass its soak${since}`;
    default:
      return 'Waiting for nothing';
  }
}

function asked(i: Installation, device: string): string {
  return i.helloAskedAt === null ? device : `${device} (asked for a hello at ${iso(i.helloAskedAt)})`;
}

function span(since: number, until: number | null): string {
  return `, since ${iso(since)}, ${until === null ? 'without a deadline' : `until ${iso(until)}`}`;
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
