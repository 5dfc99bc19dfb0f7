import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AllInOne } from '../../demo/service/all-in-one.js';
import { freePort } from '../free-port.js';
import type { Context, Figure, Measured, Part } from '../part.js';
import { median, rounded } from '../statistics.js';
import { startPostgres } from '../../workers/embedded/postgres.js';
import { findTemporal } from '../../workers/embedded/temporal-binary.js';
import { startTemporal } from '../../workers/embedded/temporal.js';
import { createLog } from '../../runtime/log.js';
import { now } from '../wait.js';

const ROUNDS = 3;
const UP = fileURLToPath(new URL('../../workers/up.js', import.meta.url));

/** How long `npm start` takes until everything works. */
export const startup: Part = {
  title: 'Start-up of the all in one',
  async run(context): Promise<Measured> {
    const times = {
      first: [] as number[],
      second: [] as number[],
      firstFloor: [] as number[],
      secondFloor: [] as number[],
    };
    for (let round = 0; round < context.count(ROUNDS, 1); round += 1) {
      const dir = folder(context);
      const service = new AllInOne(UP, join(dir, 'data'));
      context.atEnd(() => service.stop());
      for (const which of ['first', 'second'] as const) {
        times[which].push(await timed(() => service.start()));
        await service.stop();
      }
      const bare = folder(context);
      for (const which of ['firstFloor', 'secondFloor'] as const) times[which].push(await bareServers(bare));
    }
    const figure = (name: string, values: readonly number[], floor: readonly number[]): Figure => ({
      name,
      value: median(values),
      unit: 's',
      beside: { name: 'its two servers alone', value: median(floor) },
      target: { of: 'value', is: 'at most', value: 10 },
      detail: `median of ${values.map(rounded).join(', ')}`,
    });
    return {
      figures: [
        figure('first start to ready', times.first, times.firstFloor),
        figure('second start to ready', times.second, times.secondFloor),
      ],
      method: [
        "From the start of the process on an empty data folder until `GET /health/ready` answers 200 (looked at every 0.1 s); then again on the same folder after SIGTERM. The files were built and Temporal's binary was there before.",
        "Floor: the embedded PostgreSQL (with initdb on the first start) and Temporal's server, started side by side by the same code and nothing else, until both answer.",
      ],
    };
  },
};

function folder(context: Context): string {
  const dir = mkdtempSync(join(tmpdir(), 'slipway-bench-'));
  context.atEnd(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Seconds. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = now();
  await work();
  return (now() - began) / 1_000;
}

async function bareServers(dir: string): Promise<number> {
  const log = createLog('bench', 'warn');
  const binary = await findTemporal({ log, cliPath: process.env['TEMPORAL_CLI_PATH'] });
  const [postgresPort, port, uiPort] = await Promise.all([freePort(), freePort(), freePort()]);
  let servers: { stop(graceMs?: number): Promise<void> }[] = [];
  const took = await timed(async () => {
    servers = await Promise.all([
      startPostgres({ dataDir: join(dir, 'postgres'), port: postgresPort, log }),
      startTemporal({ binary: binary.path, dbFile: join(dir, 'temporal.db'), port, uiPort, namespace: 'default', log }),
    ]);
  });
  await Promise.all(servers.map((server) => server.stop()));
  return took;
}
