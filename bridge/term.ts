import { claim, settle } from '../store/outbox.js';
import type { Fence } from '../store/leases.js';
import { seal } from '../store/seal.js';
import { markOverdue } from '../store/sending.js';
import type { BridgeDependencies } from './dependencies.js';
import type { Term } from './lease.js';
import { Loop } from './loop.js';
import { Session } from './session.js';
import { sendProcesses } from './send-processes.js';

/** The poll behind a wake-up that was lost. */
const POLL_MS = 1_000;
/** "Numbered within a second" (DESIGN §4). */
const SEAL_MS = 500;
/** What is overdue by this much had a process that should have acted: longer than a worker's restart, so that it rarely acts for nothing. */
const RECONCILE_MS = 15_000;
const RECONCILE_BATCH = 1_000;

/** Everything that the leader does for as long as it leads. */
export class BridgeTerm implements Term {
  private readonly session: Session;
  private readonly loops: Loop[];
  private readonly processes: Loop;

  constructor(private readonly has: BridgeDependencies, fence: Fence) {
    const { pool, engine, now, log } = has;
    this.processes = new Loop('sending to the engine', async () => (await sendProcesses(pool, engine, now)) > 0, POLL_MS, log);
    this.session = new Session({ ...has, fence, committed: () => this.wake() });
    this.loops = [
      this.processes,
      new Loop('sealing the history', async () => (await seal(pool, fence)) > 0, SEAL_MS, log),
      new Loop('reconciling', async () => (await markOverdue(pool, RECONCILE_MS, RECONCILE_BATCH), false), RECONCILE_MS, log),
      new Loop('sending credentials', () => this.sendCredentials(), POLL_MS, log),
    ];
  }

  wake(): void {
    this.processes.wake();
    this.session.wake();
  }

  async end(): Promise<void> {
    await Promise.all([this.session.end(), ...this.loops.map((loop) => loop.end())]);
  }

  /** The embedded broker reads credentials from PostgreSQL itself: it is up to date as soon as the change is committed. */
  private async sendCredentials(): Promise<boolean> {
    const claimed = await claim(this.has.pool, 'credential', 100, POLL_MS * 10);
    await settle(this.has.pool, claimed.map((one) => ({ claimed: one })));
    return claimed.length > 0;
  }
}
