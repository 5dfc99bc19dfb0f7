import { dropOldDiagnostics, DIAGNOSTICS_PER_PAGE } from '../../store/fleet/diagnostics.js';
import { seal, SEAL_BATCH } from '../../store/history/seal.js';
import { growTrees } from '../../store/audit/tiles.js';
import { endPausesFromTheFuture } from '../../store/outbox/from-the-future.js';
import { markOverdueRollouts } from '../../store/rollouts/to-send.js';
import { markOverdueInstallations } from '../../store/installations/to-send.js';
import { dropOldDeliveries } from '../../store/history/webhook-sending.js';
import { withReleasedClaims } from '../rounds/release-claims.js';
import { HISTORY_RETENTION_MS, type BridgeDependencies } from './dependencies.js';
import type { LeaderTask } from './leadership.js';
import { Pruning } from './pruning.js';
import { Removal } from './removal.js';
import { StartThrottle } from '../outbound/start-throttle.js';
import { APART_MS, Loop } from '../rounds/loop.js';
import { BrokerSession } from './session.js';
import { EndedProcesses } from '../outbound/ended-processes.js';
import { LoginSender, withoutLogins, type CredentialSender } from '../outbound/send-credentials.js';
import { sendProcesses } from '../outbound/send-processes.js';
import type { LeaseGuard } from '../rounds/lease-guard.js';
import { StatusRefreshLimiter } from '../outbound/status-refresh-limiter.js';
import { WebhookSender } from '../webhooks/sender.js';

/** The poll behind a wake-up that was lost. */
const POLL_MS = 1_000;
/** "Numbered within a second" (docs/architecture.md §2): at once only after a full batch. */
const SEAL_MS = 500;
/**
 * What is overdue by this much had a process that should have acted: longer than a worker's restart, so that it rarely
 * acts for nothing.
 */
const RECONCILE_MS = 15_000;
const RECONCILE_BATCH = 1_000;
/** What is past its retention is not shown any more, or soon not; this only keeps the tables small. */
const TIDY_MS = 60_000;

/** Between two rounds: what is older than a year is in no hurry. */
const PRUNE_MS = 60 * 60_000;
/** Between two pages of a round: the disk is there for others. */
const PRUNE_APART_MS = 100;
/** How soon the removal of a tenant begins, and how soon it looks again where the broker has yet to be told. */
const REMOVE_MS = 5_000;

/** Everything that the leader does for as long as it leads. */
export class LeaderTasks implements LeaderTask {
  private readonly session: BrokerSession;
  private readonly loops: Loop[];
  private readonly processes: Loop;
  private readonly credentials: Loop;
  private readonly logins: CredentialSender;
  private readonly webhooks: WebhookSender;

  constructor(deps: BridgeDependencies, guard: LeaseGuard) {
    const { pool, engine, now, log, administration } = deps;
    const { fence } = guard;
    const loop = (name: string, work: () => Promise<boolean>, pollMs: number, apartMs?: number) =>
      new Loop(name, () => guard.during(work, false), pollMs, log, apartMs);
    const refreshLimiter = new StatusRefreshLimiter();
    const ended = new EndedProcesses(pool, engine, guard);
    const throttle = new StartThrottle();
    this.logins = administration ? new LoginSender({ pool, fence, log, now }, administration) : withoutLogins(pool);
    this.session = new BrokerSession({
      ...deps,
      guard,
      committed: () => this.wakeForReports(),
      connected: () => this.logins.compareAgain(),
    });
    this.processes = loop(
      'sending to the engine',
      withReleasedClaims(
        pool,
        'workflow',
        fence,
        async () => (await sendProcesses(pool, engine, now, guard, refreshLimiter, throttle)) > 0,
      ),
      POLL_MS,
      APART_MS,
    );
    this.credentials = loop(
      'sending credentials',
      withReleasedClaims(pool, 'credential', fence, () => this.logins.send()),
      POLL_MS,
      APART_MS,
    );
    this.webhooks = new WebhookSender({
      pool,
      log,
      now,
      guard,
      allowPrivate: deps.webhooksAllowPrivate ?? false,
      left: () => webhooks.wake(),
    });
    const pruning = new Pruning({
      pool,
      fence,
      now,
      log,
      retentionMs: deps.historyRetentionMs ?? HISTORY_RETENTION_MS,
      actsRetentionMs: deps.auditRetentionMs,
    });
    const removal = new Removal(pool, fence);
    const webhooks = loop('sending to webhooks', () => this.webhooks.send(), POLL_MS, APART_MS);
    this.loops = [
      this.processes,
      this.credentials,
      loop('sealing the history', async () => (await seal(pool, fence)) === SEAL_BATCH, SEAL_MS),
      loop('growing the trees of the history', () => growTrees(pool, fence), SEAL_MS),
      loop(
        'reconciling',
        async () => (
          await endPausesFromTheFuture(pool, fence),
          await markOverdueInstallations(pool, RECONCILE_MS, RECONCILE_BATCH, fence),
          await markOverdueRollouts(pool, RECONCILE_MS, RECONCILE_BATCH, fence),
          false
        ),
        RECONCILE_MS,
      ),
      webhooks,
      loop(
        'looking for processes that ended too early',
        async () => {
          const marked = await ended.look();
          if (marked > 0) log.warn({ marked }, 'processes had ended before their rows: they are started again');
          return false;
        },
        RECONCILE_MS,
      ),
      loop(
        'tidying',
        async () => {
          const diagnostics = await dropOldDiagnostics(pool, fence);
          return (await dropOldDeliveries(pool, fence)) || diagnostics === DIAGNOSTICS_PER_PAGE;
        },
        TIDY_MS,
      ),
      loop('pruning', () => pruning.step(), PRUNE_MS, PRUNE_APART_MS),
      loop('removing tenants', () => removal.step(), REMOVE_MS, APART_MS),
    ];
  }

  wake(): void {
    this.wakeForReports();
    this.credentials.wake();
  }

  /** No report says anything about passwords. */
  private wakeForReports(): void {
    this.processes.wake();
    this.session.wake();
  }

  async end(): Promise<void> {
    await Promise.all([this.webhooks.end(), this.session.end(), ...this.loops.map((loop) => loop.end())]);
    await this.logins.end();
  }
}
