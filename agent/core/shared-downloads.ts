import type { Desired } from '../../protocol/mqtt/payloads.js';
import type { Downloads, Watch } from './download.js';
import { UnreachableError } from './fetch-range.js';
import { isInstallError, type InstallError } from './installer.js';

interface Flight {
  readonly followers: Set<Watch>;
  /** undefined = each waiter looks for itself; an error = it is the waiter's, too. */
  readonly landed: Promise<InstallError | undefined>;
}

/**
 * One download per content for all devices of a gateway. A device that wants what is being fetched waits for that, and
 * sees it advance; then it verifies the file for itself. The first one's download is its own: where it is withdrawn,
 * the next one goes on from the same bytes with the link of its own document.
 */
export class SharedDownloads {
  private readonly flights = new Map<string, Flight>();

  constructor(private readonly downloads: Downloads) {}

  pathOf(desired: Desired): string {
    return this.downloads.pathOf(desired);
  }

  /** As `Downloads.verify`. */
  verify(desired: Desired, signal: AbortSignal): Promise<void> {
    return this.downloads.verify(desired, signal);
  }

  keepOnly(...wanted: Parameters<Downloads['keepOnly']>): Promise<void> {
    return this.downloads.keepOnly(...wanted);
  }

  /**
   * As `Downloads.fetch`. @throws also what ended the download that was waited for, where that is not the other
   * device's affair.
   */
  async fetch(desired: Desired, watch: Watch): Promise<void> {
    const key = this.pathOf(desired);
    for (let flight = this.flights.get(key); flight !== undefined; flight = this.flights.get(key)) {
      const failure = await follow(flight, watch);
      watch.signal.throwIfAborted();
      if (failure) throw failure;
    }
    await this.lead(key, desired, watch);
  }

  private async lead(key: string, desired: Desired, watch: Watch): Promise<void> {
    let land: (failure: InstallError | undefined) => void = () => undefined;
    const flight: Flight = { followers: new Set(), landed: new Promise((done) => (land = done)) };
    this.flights.set(key, flight);
    let failure: InstallError | undefined;
    try {
      await this.downloads.fetch(desired, {
        ...watch,
        progress(bytes) {
          for (const one of [watch, ...flight.followers]) one.progress(bytes);
        },
      });
    } catch (error) {
      if (isForAll(error)) failure = error;
      throw error;
    } finally {
      this.flights.delete(key);
      land(failure);
    }
  }
}

async function follow(flight: Flight, watch: Watch): Promise<InstallError | undefined> {
  let stop: () => void = () => undefined;
  const stopped = new Promise<undefined>((done) => (stop = () => done(undefined)));
  watch.signal.addEventListener('abort', stop);
  flight.followers.add(watch);
  try {
    return await Promise.race([flight.landed, stopped]);
  } finally {
    flight.followers.delete(watch);
    watch.signal.removeEventListener('abort', stop);
  }
}

/**
 * A link that the service refuses is refused for one installation; a server that is away, or wrong bytes, are so for
 * all of them.
 */
function isForAll(error: unknown): error is InstallError {
  return isInstallError(error) && !(error.cause instanceof UnreachableError && !error.cause.passing);
}
