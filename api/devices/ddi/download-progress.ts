import type { InstallationEvent } from '../../../domain/installation/events.js';
import type { DdiAction } from '../../../store/commands/ddi-actions.js';
import { report } from '../../../store/commands/report.js';
import { asTenant } from '../../../store/db/transaction.js';
import type { DdiServices } from './controllers.js';

/** How often a running download is written: it is no history (docs/architecture.md §2). */
const EVERY_MS = 2_000;
/**
 * How long bytes wait for what is written about them: a write takes some milliseconds. Where it takes longer (a lock, a
 * database that is away), a device gets its bytes all the same; what it says before the write may then be taken for an
 * earlier step, which the next thing that it says puts right.
 */
const PATIENCE_MS = 500;

/**
 * How far a device has got with its download, as the service sees it: most clients say nothing of it. It keeps the
 * deadline of the download moving, and tells a device that installs from one that still downloads.
 */
export class DownloadProgress {
  private upTo = 0;
  private written = 0;
  private writtenAt = performance.now();
  /** What is to be written, one after the other. Never rejects. */
  private writing: Promise<void> = Promise.resolve();
  /** Not yet written. */
  private pending = 0;

  constructor(
    private readonly services: DdiServices,
    private readonly tenantId: string,
    private readonly action: DdiAction,
  ) {}

  /** The first request of an action says that it downloads. @returns what its first byte waits for */
  begin(): Promise<void> {
    const { state } = this.action;
    if (state === 'delivered' || state === 'accepted' || state === 'deferred') this.write({ type: 'downloading' });
    return this.settled();
  }

  /** @returns what the last bytes wait for: that it is written that the device has all */
  reach(upTo: number): Promise<void> | undefined {
    this.upTo = Math.max(this.upTo, upTo);
    const isAll = this.upTo === this.action.firmware.size;
    // While a write waits, the next one says more.
    const isDue = this.pending === 0 && performance.now() - this.writtenAt >= EVERY_MS;
    if (isAll ? this.written < this.upTo : isDue) this.writeProgress();
    return isAll ? this.settled() : undefined;
  }

  /** What was sent since is written in the background. */
  end(): void {
    if (this.upTo > this.written) this.writeProgress();
  }

  private async settled(): Promise<void> {
    if (this.pending === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, PATIENCE_MS)));
    await Promise.race([this.writing, patience]);
    clearTimeout(timer);
  }

  private writeProgress(): void {
    const { size: total } = this.action.firmware;
    const bytes = (this.written = this.upTo);
    this.writtenAt = performance.now();
    this.write({ type: 'progress', phase: 'download', bytes, total });
  }

  private write(event: InstallationEvent): void {
    this.pending += 1;
    this.writing = this.writing.then(async () => {
      await this.say(event);
      this.pending -= 1;
    });
  }

  /** A download goes on where this fails: the next one says more. */
  private async say(event: InstallationEvent): Promise<void> {
    const { deviceId, installationId, attempt } = this.action;
    const by = { kind: 'device' as const, node: deviceId };
    const about = { deviceId, installationId, event: event.type === 'progress' ? event : { ...event, attempt }, by };
    try {
      await asTenant(this.services.pool, this.tenantId, (tx) => report(tx, this.tenantId, about, this.services.now()));
    } catch (error) {
      this.services.log.warn({ err: error, installationId }, 'the progress of a download was not written');
    }
  }
}
