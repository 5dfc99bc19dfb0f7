import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { pauseUnless } from '../../runtime/pause.js';
import type { Operator } from '../../demo/service/operator.js';
import type { FleetInFlight, Wave } from '../e2e/fleet-in-flight.js';

const EVERY_MS = 100;
/** A write among so many reads. */
const WRITES = 5;

/**
 * An operator who reads and writes without a pause while versions change. Whatever is not answered as it should be is a
 * fault: he does not ask twice.
 */
export class SteadyOperator {
  readonly faults: string[] = [];
  answered = 0;
  private readonly ending = new AbortController();
  private readonly done: Promise<void>;

  constructor(
    private readonly operator: Operator,
    private readonly deviceTypeId: string,
  ) {
    this.done = this.run();
  }

  async end(): Promise<void> {
    this.ending.abort();
    await this.done;
  }

  private async run(): Promise<void> {
    for (let turn = 0; !this.ending.signal.aborted; turn += 1) {
      try {
        if (turn % WRITES === 0)
          await this.operator.call(
            'POST',
            '/v1/devices',
            { info: { name: `device ${turn}`, deviceTypeId: this.deviceTypeId } },
            randomUUID(),
          );
        else await this.operator.call('GET', '/v1/devices?pageSize=5');
        this.answered += 1;
      } catch (error) {
        this.faults.push(`the request ${turn} of a steady operator: ${(error as Error).message}`);
      }
      await pauseUnless(this.ending.signal, EVERY_MS);
    }
  }
}

/**
 * Installations that are under way at every moment of a roll: where too few of a wave are open, it is judged and the
 * next one is scheduled.
 */
export class SteadyWave {
  readonly faults: string[] = [];
  private current: Wave | undefined;
  waves = 0;

  constructor(
    private readonly fleet: FleetInFlight,
    private readonly endMs: number,
  ) {}

  /** @returns how many are open, at least `least`. */
  async keepOpen(least: number): Promise<number> {
    const open = await this.open();
    if (open >= least) return open;
    await this.conclude();
    this.current = await this.fleet.schedule();
    this.waves += 1;
    await this.fleet.inFlight(this.current, 0.3);
    return this.keepOpen(0);
  }

  /** Waits until `count` more have ended, or all. */
  async progress(count: number): Promise<void> {
    const from = await this.open();
    for (const end = Date.now() + this.endMs; Date.now() < end; await sleep(200)) {
      const open = await this.open();
      if (open === 0 || from - open >= count) return;
    }
    this.faults.push(`fewer than ${count} installations ended in ${this.endMs / 1_000} s`);
  }

  async conclude(): Promise<void> {
    if (this.current) this.faults.push(...(await this.fleet.faultsAtTheEnd(this.current, this.endMs)));
    this.current = undefined;
  }

  private async open(): Promise<number> {
    if (!this.current) return 0;
    return (await this.fleet.look(this.current)).filter((one) => !(one.completedAt ?? one.rejectedAt)).length;
  }
}

/** One rollout in three groups, from its start until it is over. */
export class SteadyRollout {
  private id = '';
  private sha256 = '';
  private version = '';

  constructor(
    private readonly fleet: FleetInFlight,
    private readonly operator: Operator,
  ) {}

  async start(): Promise<void> {
    const { firmwareId, version, sha256 } = await this.fleet.newVersion();
    Object.assign(this, { version, sha256 });
    const { id } = await this.operator.call<{ id: string }>('POST', '/v1/rollouts', {
      name: `${version} everywhere`,
      steps: [{ slot: 'firmware', firmwareId }],
      targets: { deviceIds: this.fleet.ids },
      pace: { maxInFlight: 5 },
      groups: [
        { name: 'canary', percent: 10, gate: { minSuccess: 0.9 } },
        { name: 'early', percent: 40, gate: { minSuccess: 0.9 } },
        { name: 'rest', gate: { minSuccess: 0.9 } },
      ],
      stopIf: [],
      timeouts: { offer: 'PT2M', download: 'PT2M', install: 'PT2M', confirm: 'PT2M' },
      retry: { maxAttempts: 4, backoff: { first: 'PT1S', max: 'PT2S' } },
    });
    this.id = id;
    await this.operator.call('POST', `/v1/rollouts/${id}/start`, {});
  }

  /** @returns what is wrong with its end. */
  async conclude(ms: number): Promise<string[]> {
    let last = { phase: '', waitingOn: '' };
    for (const end = Date.now() + ms; Date.now() < end; await sleep(300)) {
      last = await this.operator.call('GET', `/v1/rollouts/${this.id}`);
      if (['finished', 'aborted', 'failed'].includes(last.phase)) break;
    }
    const faults = last.phase === 'finished' ? [] : [`the rollout is ${last.phase}: ${last.waitingOn}`];
    const lacking = await this.fleet.without(this.sha256);
    return lacking === 0 ? faults : [...faults, `${lacking} devices of the rollout do not hold ${this.version}`];
  }
}
