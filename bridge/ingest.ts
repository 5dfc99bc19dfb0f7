import type { Logger } from 'pino';
import { parseUp, print, type UpMessage } from '../protocol/mqtt/payloads.js';
import { ackTopic } from '../protocol/mqtt/topics.js';
import { resolveAliases } from '../store/aliases.js';
import { keepDiagnostics, type Diagnostic } from '../store/diagnostics.js';
import { assertLease, type Fence } from '../store/leases.js';
import type { Pool, Tx } from '../store/pool.js';
import { record, type Recorded, type Report } from '../store/record.js';
import { asService } from '../store/transaction.js';
import { isTransient } from '../store/transient.js';
import { aliasesIn, isUuid, receiptOf, reportsOf } from './reports.js';
import type { Publish } from './send-documents.js';

/** A message as the connection hands it over. `acknowledge` sends the PUBACK, and is called once, after the commit. */
export interface Incoming {
  readonly topic: string;
  readonly payload: Uint8Array;
  acknowledge(): void;
}

export interface IngestDependencies {
  pool: Pool;
  fence: Fence;
  publish: Publish;
  now: () => number;
  log: Logger;
  /** After each commit: whoever sends has something to look at. */
  committed: () => void;
  counted: (outcome: 'recorded' | 'refused', reason: string, count: number) => void;
}

/** Reports of one transaction. Larger ones gain nothing (the commit is a tenth by then), and hold the locks of more devices for longer. */
const MAX_BATCH = 500;
/** Progress of one installation is written at most this often: it is no history (DESIGN §4). */
const PROGRESS_EVERY_MS = 2_000;
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 2_000;

/**
 * Takes what devices send and records it, many devices in one transaction. It exists because a transaction per report is bound by the disk's
 * commits: whatever arrives while one batch is being committed is the next batch, so that a lone report waits for nobody and a rush is batched.
 *
 * Modes: `idle` (nothing waits), `working` (one batch is under way), `ended`. A batch that fails because the database is away is tried until it
 * is back, without a PUBACK; one that fails for a reason that will not pass is halved until the one report that fails is alone: that one goes
 * to the diagnostics and is acknowledged.
 */
export class Ingest {
  private mode: 'idle' | 'working' | 'ended' = 'idle';
  private waiting: Incoming[] = [];
  private working: Promise<void> = Promise.resolve();
  private progressAt = new Map<string, number>();

  constructor(private readonly has: IngestDependencies) {}

  take(message: Incoming): void {
    if (this.mode === 'ended') return;
    this.waiting.push(message);
    if (this.mode === 'idle') {
      this.mode = 'working';
      this.working = this.work();
    }
  }

  /** Finishes the batch under way; what waits behind it stays unacknowledged, and the broker sends it again to the next. */
  async end(): Promise<void> {
    this.mode = 'ended';
    await this.working;
  }

  private async work(): Promise<void> {
    while (this.waiting.length > 0 && this.mode === 'working') {
      const batch = this.waiting.splice(0, MAX_BATCH);
      await this.commit(batch);
    }
    if (this.mode === 'working') this.mode = 'idle';
    if (this.progressAt.size > 50_000) this.progressAt.clear();
  }

  private async commit(batch: readonly Incoming[]): Promise<void> {
    for (let wait = RETRY_FIRST_MS; this.mode !== 'ended'; wait = Math.min(wait * 2, RETRY_MAX_MS)) {
      try {
        await this.recordAll(batch);
        return;
      } catch (error) {
        if ((error as { name?: unknown }).name === 'LeaseLost') {
          this.mode = 'ended'; // a successor records now: nothing more is written or acknowledged from here
          return;
        }
        if (!isTransient(error)) return this.halve(batch, error as Error);
        this.has.log.warn({ err: error, reports: batch.length }, 'reports could not be committed; trying again');
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  }

  private async halve(batch: readonly Incoming[], error: Error): Promise<void> {
    if (batch.length > 1) {
      const middle = Math.ceil(batch.length / 2);
      await this.commit(batch.slice(0, middle));
      return this.commit(batch.slice(middle));
    }
    const [message] = batch;
    if (!message) return;
    this.has.log.error({ err: error, topic: message.topic }, 'a report cannot be stored; it goes to the diagnostics');
    this.has.counted('refused', 'unstorable', 1);
    const parsed = parseUp(message.topic, message.payload);
    if (parsed.ok) await this.keep([diagnosticOf(message, parsed.message, 'unstorable', error.message, this.has.now())]);
    message.acknowledge();
  }

  private async recordAll(batch: readonly Incoming[]): Promise<void> {
    const now = this.has.now();
    const { messages, refused } = this.read(batch, now);
    const receipts = await asService(this.has.pool, async (tx) => {
      await assertLease(tx, this.has.fence);
      const answers = await this.recordMessages(tx, messages.map((one) => one.message), now);
      await keepDiagnostics(tx, [...refused, ...answers.flatMap(({ refusals }, index) => refusals.map((reason) =>
        diagnosticOf(messages[index]!.incoming, messages[index]!.message, reason, SENTENCES[reason] ?? reason, now)))]);
      return answers;
    });
    for (const message of batch) message.acknowledge();
    this.has.committed();
    this.count(receipts);
    for (const [index, { receipt }] of receipts.entries()) {
      const { message } = messages[index]!;
      // Not awaited: a receipt that is lost is asked for again, because the device repeats its report until it has one.
      if (receipt) void this.has.publish(ackTopic(message), print(receipt), { qos: 1, retain: false }).catch((error: Error) => this.has.log.debug({ err: error }, 'a receipt was not sent'));
    }
  }

  private read(batch: readonly Incoming[], now: number): { messages: { incoming: Incoming; message: UpMessage }[]; refused: Diagnostic[] } {
    const messages: { incoming: Incoming; message: UpMessage }[] = [];
    const refused: Diagnostic[] = [];
    for (const incoming of batch) {
      const parsed = parseUp(incoming.topic, incoming.payload);
      if (parsed.ok && isUuid(parsed.message.device) && isUuid(parsed.message.node)) {
        if (!this.isTooSoon(parsed.message, now)) messages.push({ incoming, message: parsed.message });
        continue;
      }
      const reason = parsed.ok ? 'unknown_device' : parsed.reason;
      this.has.counted('refused', reason, 1);
      const [, , tenantId, node, device] = incoming.topic.split('/');
      const about = [device, node].find((level) => level !== undefined && isUuid(level));
      if (tenantId !== undefined && about !== undefined) {
        refused.push({ tenantId, deviceId: about, at: now, reason, detail: parsed.ok ? 'the topic names no device of this tenant' : parsed.detail, topic: incoming.topic, payload: excerpt(incoming.payload) });
      }
    }
    return { messages, refused };
  }

  private isTooSoon(message: UpMessage, now: number): boolean {
    if (message.type !== 'progress') return false;
    const { installationId, bytes, total } = message.body;
    if (bytes !== total && now - (this.progressAt.get(installationId) ?? 0) < PROGRESS_EVERY_MS) return true;
    this.progressAt.set(installationId, now);
    return false;
  }

  private async recordMessages(tx: Tx, messages: readonly UpMessage[], now: number) {
    const aliases = await resolveAliases(tx, messages.flatMap(aliasesIn));
    const reports = messages.map((message) => reportsOf(message, aliases));
    const flat: Report[] = reports.flat();
    const recorded: Recorded[] = flat.length === 0 ? [] : await record(tx, flat, now);
    let next = 0;
    return messages.map((message, index) => {
      const own = recorded.slice(next, (next += reports[index]!.length));
      return { receipt: receiptOf(message, own, aliases), refusals: own.flatMap((one) => (one.outcome === 'refused' && one.reason !== 'unknown_device' ? [one.reason as string] : [])), reports: own.length };
    });
  }

  private count(receipts: readonly { refusals: readonly string[]; reports: number }[]): void {
    this.has.counted('recorded', '', receipts.reduce((sum, one) => sum + one.reports - one.refusals.length, 0));
    for (const { refusals } of receipts) for (const reason of refusals) this.has.counted('refused', reason, 1);
  }

  private async keep(entries: Diagnostic[]): Promise<void> {
    try {
      await asService(this.has.pool, (tx) => keepDiagnostics(tx, entries));
    } catch (error) {
      this.has.log.error({ err: error }, 'a diagnostics entry could not be kept');
    }
  }
}

/** What a device's engineer reads in last-diagnostics. */
const SENTENCES: Readonly<Record<string, string>> = {
  stale_attempt: 'the report is about an attempt that is over; only the newest attempt counts',
  unknown_attempt: 'the report is about an attempt that has not begun',
  ended: 'the installation has ended otherwise; a terminal state never changes',
  too_late: 'what the report says can no longer be',
  unknown_installation: 'this device has no such installation',
  forbidden: 'the reporter is neither the device itself nor a gateway in its connectedBy chain',
};

function diagnosticOf(incoming: Incoming, message: UpMessage, reason: string, detail: string, at: number): Diagnostic {
  // A forbidden report is about somebody else's device: it belongs to the one who sent it.
  const deviceId = reason === 'forbidden' ? message.node : message.device;
  return { tenantId: message.tenant, deviceId, at, reason, detail, topic: incoming.topic, payload: excerpt(incoming.payload) };
}

function excerpt(payload: Uint8Array): string {
  return Buffer.from(payload).toString('utf8', 0, 512);
}
