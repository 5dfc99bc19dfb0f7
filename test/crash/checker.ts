import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import mqtt from 'mqtt';
import pg from 'pg';
import { verifyChain } from '../../store/history/seal.js';
import type { TestedAllInOne } from '../support/all-in-one.js';
import { until } from '../support/until.js';
import type { FleetInFlight, Wave } from '../e2e/fleet-in-flight.js';
import type { FaultProxy } from './fault-proxy.js';

/**
 * States faults in sentences; it knows only what the devices did, what passed on the network, and what the service says
 * from outside.
 */
export class Checker {
  constructor(
    private readonly service: TestedAllInOne,
    private readonly fleet: FleetInFlight,
    private readonly proxy: FaultProxy,
  ) {}

  async afterWave(wave: Wave, withinMs: number): Promise<string[]> {
    return [...(await this.fleet.faultsAtTheEnd(wave, withinMs)), ...(await this.brokenPromises(wave))];
  }

  /** Everything has ended: then nothing may be waiting anywhere. */
  async atRest(): Promise<string[]> {
    // The documents are gone once their marks are: the outbox first.
    const outbox = await this.outbox();
    return [...outbox, ...(await this.history()), ...(await this.retained())];
  }

  /** After SIGTERM: no process, no lock, no file that was only for a while. */
  afterStop(): string[] {
    const faults = this.service
      .processes()
      .map(({ pid, command }) => `process ${pid} is left: ${command.slice(0, 80)}`);
    for (const name of ['lock', 'endpoints.json', 'processes.json'])
      if (existsSync(join(this.service.dataDir, name))) faults.push(`${name} is left in the data folder`);
    const blobs = join(this.service.dataDir, 'blobs');
    // With S3 there is no such folder.
    for (const name of existsSync(blobs) ? readdirSync(blobs, { recursive: true, encoding: 'utf8' }) : [])
      if (/incoming\/.+|\.part$|\.tmp$/.test(name)) faults.push(`a temporary file is left among the blobs: ${name}`);
    return faults;
  }

  /** A report that was acknowledged on `down/ack` must be what the service remembers. */
  private async brokenPromises(wave: Wave): Promise<string[]> {
    const now = new Map((await this.fleet.look(wave)).map((one) => [one.id, one]));
    return this.proxy.promised.flatMap(({ installationId, attempt, state }) => {
      const one = now.get(installationId);
      if (!one) return [];
      const remembered =
        state === 'installed'
          ? one.state === 'installed'
          : one.history.some(
              (entry) =>
                entry.data.attempt === attempt &&
                ['scheduled', 'failed', 'rejected', 'canceled', 'timed_out', 'installed'].includes(entry.event),
            );
      return remembered
        ? []
        : [`${state} of attempt ${attempt} was acknowledged, but installation ${installationId} is ${one.state}`];
    });
  }

  private async outbox(): Promise<string[]> {
    const depth = async () =>
      [
        ...(await (await fetch(`${this.service.endpoints.http}/metrics`)).text()).matchAll(
          /^slipway_outbox_depth\{[^}]*\} (\d+)/gm,
        ),
      ].reduce((sum, [, n]) => sum + Number(n), 0);
    try {
      await until('an empty outbox', async () => (await depth()) === 0, 20_000);
      return [];
    } catch {
      return [`the outbox still holds ${await depth()} rows`];
    }
  }

  private async history(): Promise<string[]> {
    const client = new pg.Client({ connectionString: this.service.endpoints.database });
    await client.connect();
    try {
      await until(
        'a sealed history',
        async () => (await client.query('SELECT 1 FROM history WHERE number IS NULL LIMIT 1')).rowCount === 0,
        20_000,
      );
      const { entries, brokenAt } = await verifyChain(client, 'default');
      const all = Number(
        (await client.query(`SELECT count(*) FROM history WHERE tenant_id = 'default'`)).rows[0].count,
      );
      return brokenAt === undefined && entries === all
        ? []
        : [`the history's chain breaks at ${brokenAt ?? `${entries} of ${all}`}`];
    } finally {
      await client.end();
    }
  }

  /** With nothing open, the broker may retain no document. */
  private async retained(): Promise<string[]> {
    const {
      MQTT_USERNAME: username = 'slipway-service',
      MQTT_PASSWORD: password = readFileSync(join(this.service.dataDir, 'mqtt-password'), 'utf8').trim(),
    } = process.env;
    const client = await mqtt.connectAsync(this.service.endpoints.mqtt, {
      username,
      password,
      clientId: `crash-checker-${process.pid}`,
      connectTimeout: 10_000,
    });
    const topics: string[] = [];
    client.on('message', (topic, payload) => payload.length > 0 && topics.push(topic));
    await client.subscribeAsync('slipway/v1/+/+/+/down/desired/+', { qos: 1 });
    // Retained messages follow the SUBACK at once; a round trip on the same connection is behind all of them.
    await client.subscribeAsync('slipway/v1/+/+/+/down/cmd', { qos: 1 });
    await client.endAsync();
    return topics.map((topic) => `a document is retained although nothing is open: ${topic}`);
  }
}
