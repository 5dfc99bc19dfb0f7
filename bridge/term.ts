import type { Fence } from '../store/leases.js';
import { seal } from '../store/seal.js';
import { markOverdue } from '../store/sending.js';
import type { BridgeDependencies } from './dependencies.js';
import type { Term } from './lease.js';
import { Loop } from './loop.js';
import { Session } from './session.js';
import { LoginSender, nothingToTell, type CredentialSender } from './send-credentials.js';
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
  private readonly credentials: Loop;
  private readonly logins: CredentialSender;

  constructor(has: BridgeDependencies, fence: Fence) {
    const { pool, engine, now, log, administration } = has;
    this.processes = new Loop('sending to the engine', async () => (await sendProcesses(pool, engine, now)) > 0, POLL_MS, log);
    this.logins = administration ? new LoginSender({ pool, fence, log, now }, administration) : nothingToTell(pool);
    this.credentials = new Loop('sending credentials', () => this.logins.send(), POLL_MS, log);
    this.session = new Session({ ...has, fence, committed: () => this.wake(), connected: () => this.logins.compareAgain() });
    this.loops = [
      this.processes,
      new Loop('sealing the history', async () => (await seal(pool, fence)) > 0, SEAL_MS, log),
      new Loop('reconciling', async () => (await markOverdue(pool, RECONCILE_MS, RECONCILE_BATCH), false), RECONCILE_MS, log),
      this.credentials,
    ];
  }

  wake(): void {
    this.processes.wake();
    this.session.wake();
    this.credentials.wake();
  }

  async end(): Promise<void> {
    await Promise.all([this.session.end(), ...this.loops.map((loop) => loop.end())]);
    await this.logins.end();
  }
}
