import type { Installation } from './installation.js';
import { isEnded } from './states.js';

/** What the sentence needs to know beyond the row; undefined where the caller cannot know it. */
export interface Surroundings {
  readonly online?: boolean;
  /** The node whose connection the document goes to; null = no credential in the device's chain. */
  readonly node?: string | null;
  /** The installation that executes on the device now, where it is another one. */
  readonly executing?: string | null;
}

/**
 * One sentence: what this installation waits for, since when, and until when. null once it ended.
 * Dashboard, CLI, API and the Temporal UI print it as it is.
 */
export function waitingOn(i: Installation, around: Surroundings = {}): string | null {
  if (isEnded(i.state)) return null;
  if (i.cancel !== null)
    return `Waits for the device to answer the cancellation${span(i.cancel.requestedAt, i.dueAt)}.`;
  return `${subject(i, around)}.`;
}

function subject(i: Installation, around: Surroundings): string {
  const device = around.online === false ? 'the device, which is offline,' : 'the device';
  const since = span(i.stateSince, i.dueAt);
  switch (i.state) {
    case 'scheduled':
      return i.retryAt !== null
        ? `Waits for its back-off: attempt ${i.attempt} of ${i.policy.retry.maxAttempts} begins at ${iso(i.retryAt)}, because ${i.error ? `${i.error.code}: ${i.error.message}` : 'the last one failed'}`
        : i.notBefore !== null
          ? `Waits for its time to begin${span(i.stateSince, i.notBefore)}`
          : `Waits for its process to begin${span(i.stateSince, null)}`;
    case 'queued':
      return `Waits for its turn on the device${around.executing ? `, where installation ${around.executing} executes` : ''}${span(i.stateSince, i.deadline)}`;
    case 'delivered':
      return around.node === null
        ? `Waits for a credential: neither the device nor a gateway in its chain has one, so that nothing can be delivered${since}`
        : `Waits for ${device} to accept the offer${since}`;
    case 'accepted':
      return `Waits for ${device} to begin the download${since}`;
    case 'deferred':
      return `Waits because the device put it off until ${iso(i.deferral?.until ?? i.stateSince)}${since}`;
    case 'downloading':
      return `Waits for ${device} to download${i.progress ? ` (${i.progress.bytes} of ${i.progress.total} bytes)` : ''}${since}`;
    case 'downloaded':
      return i.gate === 'hold'
        ? `Waits for its release: it is downloaded and held at the gate${since}`
        : `Waits for ${asked(i, device)} to install${since}`;
    case 'installing':
      return `Waits for ${asked(i, device)} to finish the installation${since}`;
    case 'rebooting':
      return `Waits for ${asked(i, device)} to come back with the new content${since}`;
    case 'confirming':
      return `Waits for the new content to prove itself${since}`;
    default:
      return 'Waits for nothing';
  }
}

function asked(i: Installation, device: string): string {
  return i.helloAskedAt === null ? device : `${device} (asked to say hello at ${iso(i.helloAskedAt)})`;
}

function span(since: number, until: number | null): string {
  return `, since ${iso(since)}, ${until === null ? 'without a deadline' : `until ${iso(until)}`}`;
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
