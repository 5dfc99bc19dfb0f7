import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AllInOne } from '../../demo/service/all-in-one.js';
import type { Operator } from '../../demo/service/operator.js';
import { Description } from '../api/described.js';
import { DescribedOperator } from './described-operator.js';

/**
 * The all in one with what a test does to it besides. Owned by the test, which stops or kills it and removes its
 * folder.
 */
export class TestedAllInOne extends AllInOne {
  private description: Description | undefined;

  constructor(
    dataDir = mkdtempSync(join(tmpdir(), 'slipway-e2e-')),
    env: Record<string, string> = {},
    args: string[] = [],
  ) {
    super('dist/workers/up.js', dataDir, env, args);
  }

  /** What it answers is held against its own OpenAPI document from its first start on. */
  override get operator(): Operator {
    return this.operatorAt(this.endpoints.http);
  }

  /** The same, at another address under which this service is reached. */
  operatorAt(url: string): Operator {
    return this.description
      ? new DescribedOperator(url, readFileSync(join(this.dataDir, 'admin-token'), 'utf8').trim(), this.description)
      : super.operator;
  }

  override async start(ms?: number): Promise<void> {
    await super.start(ms);
    this.description ??= new Description(await (await fetch(`${this.endpoints.http}/openapi.json`)).json());
  }

  kill(): Promise<void> {
    return this.end('SIGKILL');
  }

  remove(): void {
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** Processes that belong to this data folder: by their command line or their environment. Zombies are dead. */
  processes(): { pid: number; command: string }[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => {
        try {
          const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
          const environment = readFileSync(`/proc/${name}/environ`, 'utf8');
          const zombie = /^State:\s+Z/m.test(readFileSync(`/proc/${name}/status`, 'utf8'));
          const ours =
            Number(name) !== process.pid &&
            !zombie &&
            (command.includes(this.dataDir) || environment.split('\0').includes(`SLIPWAY_DATA_DIR=${this.dataDir}`));
          return ours ? [{ pid: Number(name), command }] : [];
        } catch (error) {
          // It ended between the listing and the reading.
          if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
          throw error;
        }
      });
  }
}

/** Waits for a condition with a deadline. @throws with `what` and the last thing seen. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  ms = 30_000,
): Promise<T> {
  let last: unknown;
  for (const end = Date.now() + ms; ; await sleep(100)) {
    try {
      const found = await look();
      if (found) return found;
      last = found;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end)
      throw new Error(
        `not within ${ms} ms: ${what} (last: ${last instanceof Error ? last.message : JSON.stringify(last)})`,
      );
  }
}
