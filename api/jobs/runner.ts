import type { Logger } from 'pino';
import { DomainError } from '../../domain/errors.js';
import type { LineFault, OnConflict } from '../../domain/fleet/job.js';
import type { BulkAction } from '../../protocol/http/jobs.js';
import { actOnDevices } from '../../store/commands/bulk-devices.js';
import { checkDevices, importDevices, type Written } from '../../store/commands/import-devices.js';
import type { Pool, Tx } from '../../store/db/pool.js';
import { asTenant } from '../../store/db/transaction.js';
import {
  claimJob,
  ClaimLost,
  endJob,
  isToBeCancelled,
  keepClaim,
  readJobLines,
  recordProgress,
  releaseClaim,
  type ClaimedJob,
} from '../../store/jobs/claims.js';
import type { JobLine } from '../../store/jobs/jobs.js';
import { addResult } from '../../store/jobs/results.js';
import { Pause } from '../../runtime/pause.js';
import type { ResultKey } from './result-key.js';
import { parseRows } from './rows.js';

/** Lines of one transaction. */
const PAGE = 500;
const POLL_MS = 1_000;
const AFTER_FAILURE_MS = 2_000;
/** Well within the claim. */
const KEEP_MS = 5_000;
/** Without anything done in between: what fails so often fails again. */
const MAX_ATTEMPTS = 5;
const GIVEN_UP = 'it failed five times from here on; the log of the service says why';

/**
 * Works on jobs, one at a time in each process: what a line does and that it was done are one transaction, so that
 * `kill -9` of the process leaves nothing half done, and another one continues. With `onConflict=fail` the whole file
 * is one transaction.
 */
export class JobRunner {
  private ended = false;
  private readonly pause = new Pause();
  private readonly working: Promise<void>;

  constructor(
    private readonly pool: Pool,
    private readonly now: () => number,
    private readonly log: Logger,
    private readonly notifyOutbox: () => void,
    private readonly results: ResultKey,
  ) {
    this.working = this.work();
  }

  /** There may be a job. */
  wake(): void {
    this.pause.wake();
  }

  /** Stops behind the page that is under way; what is left is done by the next process. */
  async end(): Promise<void> {
    this.ended = true;
    this.pause.wake();
    await this.working;
  }

  private async work(): Promise<void> {
    while (!this.ended) {
      let wait = POLL_MS;
      try {
        const job = await claimJob(this.pool, this.now());
        if (job) {
          await this.run(job);
          wait = 0;
        }
      } catch (error) {
        this.log.warn({ err: error }, 'jobs over many devices could not be worked on; trying again');
        wait = AFTER_FAILURE_MS;
      }
      if (wait > 0) await this.pause.for(wait);
    }
  }

  private async run(job: ClaimedJob): Promise<void> {
    const about = { jobId: job.id, tenantId: job.tenantId };
    this.log.info({ ...about, kind: job.kind, from: job.position }, 'works on a job');
    const keeping = setInterval(
      () =>
        void keepClaim(this.pool, job, this.now()).catch((error: unknown) =>
          this.log.warn({ err: error, ...about }, 'the claim of a job could not be kept'),
        ),
      KEEP_MS,
    );
    try {
      const end = job.attempts > MAX_ATTEMPTS ? await this.giveUp(job, GIVEN_UP) : await this.allOf(job);
      if (end) await endJob(this.pool, job, end, this.now());
    } catch (error) {
      // Of the tenant as a whole, such as a quota.
      if (error instanceof DomainError && error.status < 500)
        return endJob(this.pool, job, await this.giveUp(job, error.detail), this.now());
      if (!(error instanceof ClaimLost)) throw error;
      if (await isToBeCancelled(this.pool, job)) return endJob(this.pool, job, 'canceled', this.now());
      // Where its tenant is suspended: it is claimed again, from where it stands, once that is active.
      await releaseClaim(this.pool, job);
      this.log.info(about, 'a job is held, or another process has it');
    } finally {
      clearInterval(keeping);
      if (this.ended) await releaseClaim(this.pool, job);
      this.notifyOutbox();
    }
  }

  private async giveUp(job: ClaimedJob, detail: string): Promise<'failed'> {
    const faults = [{ line: job.position + 1, pointer: '', detail }];
    await asTenant(this.pool, job.tenantId, (tx) =>
      recordProgress(tx, job, { position: job.position, done: 0, skipped: 0, faults }),
    );
    return 'failed';
  }

  /** @returns how it ended; undefined where this process ends before it */
  private async allOf(job: ClaimedJob): Promise<'done' | 'failed' | undefined> {
    if (job.kind === 'bulk') return this.byPages(job, (tx, lines) => bulk(tx, job, lines, this.now()));
    const { onConflict, dryRun } = importOf(job);
    if (!dryRun && onConflict !== 'fail') return this.byPages(job, (tx, lines) => this.importPage(tx, job, lines));
    // It was all done, and the process died before it said so.
    if (job.position > 0) return 'done';
    const faults = await this.check(job, onConflict, dryRun);
    if (faults === undefined) return undefined;
    if (faults > 0) return 'failed';
    return dryRun ? 'done' : this.atOnce(job);
  }

  private async byPages(
    job: ClaimedJob,
    page: (tx: Tx, lines: readonly JobLine[]) => Promise<Outcome>,
  ): Promise<'done' | undefined> {
    for (let position = job.position; ;) {
      if (this.ended) return undefined;
      const next = await asTenant(this.pool, job.tenantId, async (tx) => {
        const lines = await readJobLines(tx, job, position, PAGE);
        const last = lines.at(-1);
        if (last === undefined) return undefined;
        await recordProgress(tx, job, { position: last.line, ...(await page(tx, lines)) });
        return last.line;
      });
      if (next === undefined) return 'done';
      position = next;
    }
  }

  /** @returns how many lines have a fault; undefined where this process ends before it knows */
  private async check(job: ClaimedJob, onConflict: OnConflict, dryRun: boolean): Promise<number | undefined> {
    const seen = new Set<string>();
    let found = 0;
    let [done, skipped] = [0, 0];
    const kept: LineFault[] = [];
    for (let position = 0; ;) {
      if (this.ended) return undefined;
      const page = await asTenant(this.pool, job.tenantId, async (tx) => {
        const lines = await readJobLines(tx, job, position, PAGE);
        const { rows, faults } = parseRows(lines);
        const checked = await checkDevices(tx, job.tenantId, rows, onConflict, seen);
        return { lines, ...checked, faults: [...faults, ...checked.faults] };
      });
      const last = page.lines.at(-1);
      if (last === undefined) break;
      found += page.faults.length;
      done += page.done;
      skipped += page.skipped;
      kept.push(...page.faults.sort((a, b) => a.line - b.line));
      position = last.line;
      if (!(await keepClaim(this.pool, job, this.now()))) throw new ClaimLost();
    }
    if (found > 0 || dryRun)
      await asTenant(this.pool, job.tenantId, (tx) =>
        recordProgress(tx, job, {
          position: 0,
          ...(dryRun ? { done, skipped } : { done: 0, skipped: 0 }),
          faults: kept,
        }),
      );
    return found;
  }

  /** Everything or nothing. */
  private async atOnce(job: ClaimedJob): Promise<'done' | 'failed' | undefined> {
    const fault = await asTenant(this.pool, job.tenantId, async (tx) => {
      let done = 0;
      for (let position = 0; ;) {
        if (this.ended || !(await keepClaim(this.pool, job, this.now()))) throw new ClaimLost();
        const lines = await readJobLines(tx, job, position, PAGE);
        const last = lines.at(-1);
        if (last === undefined) break;
        const outcome = await this.importPage(tx, job, lines);
        if (outcome.faults[0]) throw new Faulty(outcome.faults);
        done += outcome.done;
        position = last.line;
      }
      await recordProgress(tx, job, { position: done, done, skipped: 0, faults: [] });
      return undefined;
    }).catch((error: unknown) => {
      if (error instanceof Faulty) return error;
      throw error;
    });
    if (fault === undefined) return 'done';
    await asTenant(this.pool, job.tenantId, (tx) =>
      recordProgress(tx, job, { position: 0, done: 0, skipped: 0, faults: fault.faults }),
    );
    return 'failed';
  }

  /** Writes some lines, and the passwords of their devices where the job asks for them. */
  private async importPage(tx: Tx, job: ClaimedJob, lines: readonly JobLine[]): Promise<Outcome> {
    const { onConflict, credentials } = importOf(job);
    const { rows, faults } = parseRows(lines);
    const options = { onConflict, withPasswords: credentials === 'password' };
    const { passwords, ...outcome } = await importDevices(tx, job, rows, options, this.now());
    const last = lines.at(-1);
    if (last !== undefined && passwords.length > 0) {
      const about = { tenantId: job.tenantId, jobId: job.id, line: last.line };
      await addResult(tx, job, { line: last.line, sealed: await this.results.seal(textOf(passwords), about) });
    }
    return { ...outcome, faults: [...faults, ...outcome.faults].sort((a, b) => a.line - b.line) };
  }
}

/** What an import asks for. */
interface ImportSpec {
  readonly onConflict: OnConflict;
  readonly dryRun: boolean;
  readonly credentials?: 'password';
}

function importOf(job: ClaimedJob): ImportSpec {
  return job.spec as unknown as ImportSpec;
}

/** JSON lines, as the result of a job is read. */
function textOf(passwords: Written['passwords']): string {
  return passwords
    .toSorted((a, b) => a.line - b.line)
    .map(({ line, deviceId, username, password }) => `${JSON.stringify({ line, deviceId, username, password })}\n`)
    .join('');
}

interface Outcome {
  readonly done: number;
  readonly skipped: number;
  readonly faults: readonly LineFault[];
}

/** A line that was right when it was looked at is not any more, such as a gateway that is gone. */
class Faulty extends Error {
  override readonly name = 'Faulty';
  constructor(readonly faults: readonly LineFault[]) {
    super('a line has a fault');
  }
}

async function bulk(tx: Tx, job: ClaimedJob, lines: readonly JobLine[], now: number): Promise<Outcome> {
  const devices = lines.flatMap(({ line, body }) => (body === null ? [] : [{ line, id: body }]));
  const faults = await actOnDevices(tx, job, devices, job.spec as unknown as BulkAction, now);
  return { done: lines.length - faults.length, skipped: 0, faults };
}
