import { dropOldDiagnostics } from '../../store/fleet/diagnostics.js';
import { seal, SEAL_BATCH } from '../../store/history/seal.js';
import { markOverdueRollouts } from '../../store/rollouts/to-send.js';
import { markOverdue } from '../../store/installations/to-send.js';
import { dropOldDeliveries } from '../../store/history/webhook-sending.js';
import { afterRelease } from '../rounds/release-claims.js';
import type { BridgeDependencies } from './dependencies.js';
import type { Term } from './leadership.js';
import { Beginnings } from '../outbound/start-throttle.js';
import { APART_MS, Loop } from '../rounds/loop.js';
import { Session } from './session.js';
import { LoginSender, nothingToTell, type CredentialSender } from '../outbound/send-credentials.js';
import { sendProcesses } from '../outbound/send-processes.js';
import type { Tenure } from '../rounds/lease-guard.js';
import { ShowPace } from '../outbound/status-refresh-limiter.js';
import { WebhookSender } from '../webhooks/sender.js';

/** The poll behind a wake-up that was lost. */
const POLL_MS = 1_000;
/** "Numbered within a second" (DESIGN §4): at once only after a full batch. */
const SEAL_MS = 500;
/**
 * What is overdue by this much had a process that should have acted: longer than a worker's restart, so that it rarely
 * acts for nothing.
 */
const RECONCILE_MS = 15_000;
const RECONCILE_BATCH = 1_000;
/** What is older than is kept is shown to nobody, or soon not; this only keeps the tables small. */
const TIDY_MS = 60_000;

/** Everything that the leader does for as long as it leads. */
export class BridgeTerm implements Term {
  private readonly session: Session;
  private readonly loops: Loop[];
  private readonly processes: Loop;
  private readonly credentials: Loop;
  private readonly logins: CredentialSender;
  private readonly webhooks: WebhookSender;

  constructor(has: BridgeDependencies, tenure: Tenure) {
    const { pool, engine, now, log, administration } = has;
    const { fence } = tenure;
    const loop = (name: string, work: () => Promise<boolean>, pollMs: number, apartMs?: number) =>
      new Loop(name, () => tenure.during(work, false), pollMs, log, apartMs);
    const pace = new ShowPace();
    const beginnings = new Beginnings();
    this.logins = administration ? new LoginSender({ pool, fence, log, now }, administration) : nothingToTell(pool);
    this.session = new Session({
      ...has,
      tenure,
      committed: () => this.wakeForReports(),
      connected: () => this.logins.compareAgain(),
    });
    this.processes = loop(
      'sending to the engine',
      afterRelease(
        pool,
        'workflow',
        fence,
        async () => (await sendProcesses(pool, engine, now, tenure, pace, beginnings)) > 0,
      ),
      POLL_MS,
      APART_MS,
    );
    this.credentials = loop(
      'sending credentials',
      afterRelease(pool, 'credential', fence, () => this.logins.send()),
      POLL_MS,
      APART_MS,
    );
    this.webhooks = new WebhookSender({ pool, log, now, tenure, allowPrivate: has.webhooksAllowPrivate ?? false });
    this.loops = [
      this.processes,
      this.credentials,
      loop('sealing the history', async () => (await seal(pool, fence)) === SEAL_BATCH, SEAL_MS),
      loop(
        'reconciling',
        async () => (
          await markOverdue(pool, RECONCILE_MS, RECONCILE_BATCH, fence),
          await markOverdueRollouts(pool, RECONCILE_MS, RECONCILE_BATCH, fence),
          false
        ),
        RECONCILE_MS,
      ),
      loop('sending to webhooks', () => this.webhooks.send(), POLL_MS),
      loop(
        'tidying',
        async () => (await dropOldDiagnostics(pool, fence), await dropOldDeliveries(pool, fence), false),
        TIDY_MS,
      ),
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
    this.webhooks.end();
    await Promise.all([this.session.end(), ...this.loops.map((loop) => loop.end())]);
    await this.logins.end();
  }
}
