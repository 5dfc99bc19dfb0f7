import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import pLimit from 'p-limit';
import pg from 'pg';
import { AllInOne } from '../demo/service/all-in-one.js';
import type { Operator } from '../demo/service/operator.js';
import { SLOT, type Login } from './messages.js';
import type { Context } from './part.js';
import { usageBelow, type Use } from './usage.js';
import { until } from './wait.js';

const UP = fileURLToPath(new URL('../workers/up.js', import.meta.url));
/** Requests of the operator at once: enough that the API never waits for its client. */
const AT_ONCE = 16;
/** Small: what is measured is the process, not the network. */
const FIRMWARE_BYTES = 64 * 1024;

/**
 * The all in one as `npm start` runs it, on a data folder of its own that is removed at the end, with a device type to
 * register devices of.
 */
export class Stage {
  private versions = 0;

  private constructor(
    readonly service: AllInOne,
    readonly operator: Operator,
    readonly sql: pg.Pool,
    readonly engine: Client,
    readonly typeId: string,
    private readonly dir: string,
  ) {}

  /** @param env more settings of the service */
  static async open(context: Context, env: Readonly<Record<string, string>> = {}): Promise<Stage> {
    const dir = mkdtempSync(join(tmpdir(), 'slipway-bench-'));
    context.atEnd(() => rmSync(dir, { recursive: true, force: true }));
    const service = new AllInOne(UP, join(dir, 'data'), env);
    context.atEnd(() => service.stop());
    await service.start();
    const { database, temporal } = service.endpoints;
    const sql = new pg.Pool({ connectionString: database, max: 4, application_name: 'slipway-bench' });
    context.atEnd(() => sql.end());
    const connection = await Connection.connect({ address: temporal });
    context.atEnd(() => connection.close());
    const typeId = await service.operator.deviceType({ name: 'bench', slots: { [SLOT]: { name: 'Firmware' } } });
    return new Stage(service, service.operator, sql, new Client({ connection }), typeId, dir);
  }

  /** Over the API, as an operator does it. */
  register(count: number): Promise<Login[]> {
    const limit = pLimit(AT_ONCE);
    return Promise.all(
      Array.from({ length: count }, (_, index) =>
        limit(async () => {
          const deviceId = await this.operator.device({ name: `bench ${index}`, deviceTypeId: this.typeId });
          const { username, password } = await this.operator.password(deviceId);
          return { deviceId, username, password };
        }),
      ),
    );
  }

  /**
   * A new version with a content of its own, ready to be installed: a device that holds it already would have nothing
   * to do.
   */
  async firmware(bytes = FIRMWARE_BYTES): Promise<string> {
    const version = `${(this.versions += 1)}.0.0`;
    const file = join(this.dir, `firmware-${version}.bin`);
    writeFileSync(file, randomBytes(bytes));
    const firmwareId = await this.operator.firmware('bench', version, file);
    await this.operator.associate(this.typeId, SLOT, firmwareId);
    return firmwareId;
  }

  /** One installation on each device, `AT_ONCE` requests at a time. @returns the ids, in the order of the devices. */
  install(devices: readonly Login[], firmwareId: string): Promise<string[]> {
    const limit = pLimit(AT_ONCE);
    return Promise.all(
      devices.map(({ deviceId }) =>
        limit(async () => (await this.operator.install(deviceId, { firmwareId, slot: SLOT })).id),
      ),
    );
  }

  /** How many installations of a firmware are in which state. */
  async states(firmwareId: string): Promise<Readonly<Record<string, number>>> {
    const { rows } = await this.sql.query<{ state: string; count: string }>(
      'SELECT state, count(*) FROM installations WHERE firmware_id = $1 GROUP BY state',
      [firmwareId],
    );
    return Object.fromEntries(rows.map(({ state, count }) => [state, Number(count)]));
  }

  /** Waits until none of them is open. @throws where it takes too long, or one ended otherwise than `installed`. */
  async installed(firmwareId: string, count: number, ms: number): Promise<void> {
    let open = count;
    const look = async () => {
      // Answered by the partial index of open installations: looking must cost the database nothing.
      const { rows } = await this.sql.query<{ open: number }>(
        `SELECT count(*)::integer AS open FROM installations WHERE tenant_id = 'default' AND firmware_id = $1 AND ended_at IS NULL`,
        [firmwareId],
      );
      open = rows[0]?.open ?? 0;
      return open === 0;
    };
    await until('every installation has ended', look, ms, () => `${open} of ${count} are open`);
    const states = await this.states(firmwareId);
    if (states['installed'] !== count)
      throw new Error(`not all of ${count} installations ended as installed: ${JSON.stringify(states)}`);
  }

  /**
   * Waits until no workflow of this type runs. @returns when the last one closed, epoch milliseconds, as the engine
   * says.
   */
  async concluded(workflowType: string, ms: number): Promise<number> {
    let running = 0;
    await until(
      'every process has ended',
      async () => {
        running = (await this.engine.workflow.count(`WorkflowType = '${workflowType}' AND ExecutionStatus = 'Running'`))
          .count;
        return running === 0;
      },
      ms,
      () => `${running} run`,
    );
    // Newest first.
    for await (const { closeTime } of this.engine.workflow.list({
      query: `WorkflowType = '${workflowType}'`,
      pageSize: 1,
    }))
      return closeTime?.getTime() ?? Number.NaN;
    throw new Error(`the engine knows no workflow of type ${workflowType}`);
  }

  /** What each part of the service has used by now. */
  usage(): ReadonlyMap<string, Use> {
    return usageBelow(this.service.pid);
  }
}
