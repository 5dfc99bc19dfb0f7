import { Worker } from 'node:worker_threads';
import { DomainError } from '../../domain/errors.js';
import type { Forecast, SimulationRequest } from '../../domain/rollout/simulate.js';

/** `deadlineMs`: milliseconds, by default 30,000. `atOnce`: threads, by default 2; more are 429. */
export interface SimulationsOptions {
  /** The compiled worker.js: threads load no TypeScript. */
  readonly worker?: URL;
  readonly deadlineMs?: number;
  readonly atOnce?: number;
}

/** A million devices take some 10 s on a machine with nothing else to do. */
const DEADLINE_MS = 30_000;
/** Each takes a core while it runs; a person who plans asks for one. */
const AT_ONCE = 2;
/** A million devices take some 300 MB. */
const LIMITS = { maxOldGenerationSizeMb: 768 };

/**
 * Simulations run in threads of their own, so that the API keeps answering; no more than some at once, each with a
 * deadline. More are refused at once, with 429, instead of waiting in a queue of unknown length.
 */
export class Simulations {
  private running = 0;
  private readonly byTenant = new Map<string, number>();
  private readonly worker: URL;
  private readonly deadlineMs: number;
  private readonly atOnce: number;

  constructor({
    worker = new URL('./worker.js', import.meta.url),
    deadlineMs = DEADLINE_MS,
    atOnce = AT_ONCE,
  }: SimulationsOptions = {}) {
    [this.worker, this.deadlineMs, this.atOnce] = [worker, deadlineMs, atOnce];
  }

  /**
   * @throws DomainError ROLLOUT_SIMULATION_LIMIT where enough run already, SERVICE_UNAVAILABLE where it took too long
   */
  async run(request: SimulationRequest, tenantId: string): Promise<Forecast> {
    const own = this.byTenant.get(tenantId) ?? 0;
    // One tenant never holds them all: one reader could keep all other tenants from planning.
    if (own >= Math.max(1, this.atOnce - 1))
      throw new DomainError(
        'ROLLOUT_SIMULATION_LIMIT',
        `a simulation of this tenant runs, and no more may at once; try again when it has ended, in some seconds`,
        { limit: Math.max(1, this.atOnce - 1) },
      );
    if (this.running >= this.atOnce) {
      throw new DomainError(
        'ROLLOUT_SIMULATION_LIMIT',
        `${this.running} simulations run, and no more may at once; try again when one of them has ended, in some seconds`,
        { limit: this.atOnce },
      );
    }
    this.running += 1;
    this.byTenant.set(tenantId, own + 1);
    try {
      return await this.inThread(request);
    } finally {
      this.running -= 1;
      const left = (this.byTenant.get(tenantId) ?? 1) - 1;
      if (left > 0) this.byTenant.set(tenantId, left);
      else this.byTenant.delete(tenantId);
    }
  }

  private inThread(request: SimulationRequest): Promise<Forecast> {
    const thread = new Worker(this.worker, { workerData: request, resourceLimits: LIMITS });
    return new Promise<Forecast>((resolve, reject) => {
      const late = setTimeout(
        () =>
          reject(
            new DomainError(
              'SERVICE_UNAVAILABLE',
              `the simulation took longer than ${this.deadlineMs / 1_000} s, and was given up; ask for fewer devices, or when less is going on`,
            ),
          ),
        this.deadlineMs,
      );
      thread.once('message', resolve);
      thread.once('error', reject);
      thread.once('exit', (code) => reject(new Error(`a simulation ended without an answer (code ${code})`)));
      thread.once('exit', () => clearTimeout(late));
    }).finally(() => thread.terminate());
  }
}
