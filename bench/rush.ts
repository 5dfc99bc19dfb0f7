import type { Login } from './messages.js';
import type { Stage } from './stage.js';
import { spent } from './usage.js';
import { now } from './wait.js';

/** Longer than a machine that is busy with other work takes: two installations a second. */
const limitMs = (count: number) => 60_000 + count * 500;

export interface Rush {
  /** From the first request to the last `installed`, as PostgreSQL has it. */
  readonly installedPerSecond: number;
  /** From the first request to the end of the last process, as Temporal has it. */
  readonly concludedPerSecond: number;
  /** CPU milliseconds per installation, by part of the service, until the last process had ended. */
  readonly cpuMs: ReadonlyMap<string, number>;
}

/**
 * Asks for one installation on each device, as fast as the API takes them, and waits for all of them. @throws where one
 * does not end as `installed`.
 */
export async function rush(stage: Stage, devices: readonly Login[]): Promise<Rush> {
  const firmwareId = await stage.firmware();
  const before = stage.usage();
  const began = now();
  await stage.install(devices, firmwareId);
  await stage.installed(firmwareId, devices.length, limitMs(devices.length));
  const closed = await stage.concluded('installation', limitMs(devices.length));
  const cpu = spent(before, stage.usage());
  const { rows } = await stage.sql.query<{ last: Date }>(
    'SELECT max(completed_at) AS last FROM installations WHERE firmware_id = $1',
    [firmwareId],
  );
  const perSecond = (end: number) => (devices.length * 1_000) / (end - began);
  return {
    installedPerSecond: perSecond(rows[0]!.last.getTime()),
    concludedPerSecond: perSecond(closed),
    cpuMs: new Map([...cpu].map(([name, ms]) => [name, ms / devices.length])),
  };
}
