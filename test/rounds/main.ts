import { randomBytes, createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setTimeout as pause } from 'node:timers/promises';
import { pick, seededRandom } from '../../agent/simulator/random.js';
import type { InstallationResource } from '../../demo/service/operator.js';
import { TestedAllInOne } from '../support/all-in-one.js';
import { Field } from './field.js';

const USAGE = `npm run test:agent [-- --rounds N] [--seed N]
  --rounds N  how many installations (default 300), each with one to three of: kill -9, SIGTERM, a full disk, a wall clock that jumps
  --seed N    what happens when (default: another one each time, printed)`;

/** What may happen to a device in the field. */
const EVENTS = ['kill -9', 'SIGTERM', 'full disk', 'clock'] as const;
/** Seconds. */
const JUMPS = [-86_400, -3_600, 3_600, 50 * 31_557_600] as const;
const SLOTS = ['firmware', 'configuration'] as const;
const SIZE = 1_000_000;
/** An installation takes about two seconds where nothing happens. */
const LONGEST_PAUSE_MS = 1_200;
const LOOK_MS = 250;
const SIGTERM_MS = 10_000;
const TERMS = {
  timeouts: { offer: 'PT2M', download: 'PT2M', install: 'PT2M', confirm: 'PT2M' },
  retry: { maxAttempts: 5, backoff: { first: 'PT1S' } },
};

interface Content {
  readonly firmwareId: string;
  readonly sha256: string;
}

/** The real agent against the real service. Each round is an installation at which things happen; then all must be well. */
class Rounds {
  private readonly random: () => number;
  private readonly events = new Map<string, number>();
  /** What the slots must hold. */
  private readonly expected = new Map<string, string>();
  private failed = 0;

  private constructor(
    private readonly service: TestedAllInOne,
    private readonly field: Field,
    private readonly base: string,
    private readonly ids: { readonly type: string; readonly device: string },
    seed: number,
  ) {
    this.random = seededRandom(seed, 'rounds');
  }

  static async start(seed: number): Promise<Rounds> {
    const service = new TestedAllInOne();
    const base = mkdtempSync(join(tmpdir(), 'slipway-rounds-'));
    await service.start();
    const { operator } = service;
    const slots = Object.fromEntries(SLOTS.map((slot) => [slot, { name: slot }]));
    const type = await operator.deviceType({ name: 'in the field', slots });
    const device = await operator.device({ name: 'in the field', deviceTypeId: type });
    const { username, password } = await operator.password(device);
    const login = { url: service.endpoints.mqtt, username, password };
    mkdirSync(join(base, 'device'));
    return new Rounds(service, Field.create(join(base, 'device'), login), base, { type, device }, seed);
  }

  async run(count: number): Promise<void> {
    this.field.start();
    for (let round = 1; round <= count; round += 1) {
      const slot = pick(SLOTS, this.random);
      const end = await this.round(round, slot);
      process.stdout.write(`${round}/${count} ${slot}: ${end}\n`);
    }
    const events = [...this.events].map(([name, times]) => `${name} ${times}`).join(', ');
    process.stdout.write(`${count} rounds held: ${events}; ${this.failed} ended as failed for a full disk\n`);
  }

  async stop(): Promise<void> {
    await this.field.end('SIGKILL');
    await this.service.stop();
    this.field.remove();
    this.service.remove();
  }

  /** For a reader of a round that did not hold. */
  get story(): string {
    return [...this.field.whereItStands(), this.field.output.slice(-6_000)].join('\n');
  }

  private async round(round: number, slot: (typeof SLOTS)[number]): Promise<string> {
    const { operator } = this.service;
    const content = await this.upload(round, slot);
    const { id } = await operator.install(this.ids.device, {
      firmwareId: content.firmwareId,
      slot,
      allowDowngrade: true,
      ...TERMS,
    });
    const happened: string[] = [];
    for (let left = 1 + Math.floor(this.random() * 3); left > 0; left -= 1) {
      await pause(this.random() * LONGEST_PAUSE_MS);
      happened.push(await this.happen());
    }
    this.field.freeDisk();
    const story = happened.join(', ');
    const end = await seen(
      240_000,
      () => `the installation has not ended after ${story}`,
      async () => {
        const one = await operator.installation(this.ids.device, id);
        return (one.completedAt ?? one.rejectedAt) ? one : undefined;
      },
    );
    this.judge(end, slot, content, happened);
    let faults: string[] = [];
    await seen(
      90_000,
      () => `after ${story}: ${faults.join('; ')}`,
      async () => {
        faults = this.field.faults();
        if (this.field.holds(slot) !== this.expected.get(slot)) faults.push(`${slot} holds other content than it must`);
        return faults.length === 0 || undefined;
      },
    );
    return `${end.state} after ${happened.join(', ')}`;
  }

  /** A full disk may end an installation; nothing else may. Then the slot holds what it held. */
  private judge(end: InstallationResource, slot: string, { sha256 }: Content, happened: readonly string[]): void {
    if (end.state === 'installed') this.expected.set(slot, sha256);
    else if (end.state === 'failed' && happened.includes('full disk')) this.failed += 1;
    else
      throw new Error(
        `it ended as ${end.state} after ${happened.join(', ')}: ${JSON.stringify(end.history.slice(-4))}`,
      );
  }

  private async upload(round: number, slot: string): Promise<Content> {
    const bytes = randomBytes(SIZE);
    const file = join(this.base, 'upload.bin');
    writeFileSync(file, bytes);
    const firmwareId = await this.service.operator.firmware(slot, `1.0.${round}`, file);
    await this.service.operator.associate(this.ids.type, slot, firmwareId);
    return { firmwareId, sha256: createHash('sha256').update(bytes).digest('hex') };
  }

  private async happen(): Promise<string> {
    const event = pick(EVENTS, this.random);
    this.events.set(event, (this.events.get(event) ?? 0) + 1);
    switch (event) {
      case 'kill -9':
        await this.field.end('SIGKILL');
        this.field.start();
        return event;
      case 'SIGTERM': {
        const ms = await this.field.end('SIGTERM');
        if (ms > SIGTERM_MS) throw new Error(`it ended ${Math.round(ms)} ms after SIGTERM`);
        this.field.start();
        return event;
      }
      case 'full disk':
        this.field.fillDisk();
        await pause(this.random() * LONGEST_PAUSE_MS);
        if (this.random() < 0.5) this.field.freeDisk();
        return event;
      case 'clock': {
        const seconds = pick(JUMPS, this.random);
        this.field.setClock(seconds);
        return `${event} ${seconds} s`;
      }
    }
  }
}

/** Looks four times a second: the device has two cores for everything. @throws with the sentence of that moment */
async function seen<T>(withinMs: number, fault: () => string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(fault());
    await pause(LOOK_MS);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '300' }, seed: { type: 'string' }, help: { type: 'boolean' } },
  });
  if (values.help) return void process.stdout.write(`${USAGE}\n`);
  const [count, seed] = [Number(values.rounds), Number(values.seed ?? Date.now() % 1_000_000)];
  if (!Number.isSafeInteger(count) || !Number.isSafeInteger(seed)) throw new Error(USAGE);
  const again = `npm run test:agent -- --rounds ${count} --seed ${seed}`;
  process.stdout.write(`${again}\n`);
  const rounds = await Rounds.start(seed);
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void rounds.stop().finally(() => process.exit(1)));
  try {
    await rounds.run(count);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${rounds.story}\nagain: ${again}`, { cause: error });
  } finally {
    await rounds.stop();
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
