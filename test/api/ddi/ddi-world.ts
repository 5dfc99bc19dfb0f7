import { randomBytes, randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { record } from '../../../store/record.js';
import { asService } from '../../../store/db/transaction.js';
import { startApi, type ApiUnderTest, type Reply } from '../api-under-test.js';
import { uploaded } from '../upload.js';
import { DdiClient, type Offer } from './ddi-client.js';

type Options = Parameters<typeof startApi>[1] & {
  /** Of its firmware; absent = any. */
  bytes?: Buffer;
};

/** The API with a device type whose slot hawkBit's clients know by another name, and a firmware for it. */
export class DdiWorld {
  private constructor(
    readonly api: ApiUnderTest,
    readonly type: string,
    readonly bytes: Buffer,
    readonly firmware: string,
  ) {}

  static async start(
    name: string,
    type: object = {},
    { bytes = randomBytes(300_000), ...options }: Options = {},
  ): Promise<DdiWorld> {
    const api = await startApi(name, options);
    const made = await api.call('POST', '/v1/device-types', {
      name: 'Board',
      slots: { firmware: { name: 'F', part: 'os' }, bootloader: { name: 'B' } },
      ...type,
    });
    const world = new DdiWorld(api, made.body.data.id as string, bytes, await uploaded(api, bytes));
    for (const slot of ['firmware', 'bootloader']) {
      const path = `/v1/device-types/${world.type}/slots/${slot}/firmware-associations`;
      expect((await api.call('POST', path, { firmwareId: world.firmware })).status).toBe(201);
    }
    return world;
  }

  /** A device with an alias and a token, and its client. */
  async device(): Promise<DdiDevice> {
    const alias = `board-${randomUUID().slice(0, 8)}`;
    const { api } = this;
    const made = await api.call('POST', '/v1/devices', {
      info: { name: alias, deviceTypeId: this.type, aliases: [alias] },
    });
    const id = made.body.data.id as string;
    const { body } = await api.call('POST', `/v1/devices/${id}/credentials`, { type: 'hawkbitToken' });
    return new DdiDevice(this, id, alias, body.data.token as string);
  }

  close(): Promise<void> {
    return this.api.close();
  }
}

/** A device of the world. */
export class DdiDevice extends DdiClient {
  constructor(
    private readonly on: DdiWorld,
    readonly id: string,
    readonly alias: string,
    readonly token: string,
  ) {
    super(`${on.api.url}/DEFAULT/controller/v1/${alias}`, `TargetToken ${token}`);
  }

  /** Requests an installation, and takes the step of its process that offers it. */
  async install(body: object = {}): Promise<string> {
    const { status, body: made } = await this.operator('POST', '', {
      firmwareId: this.on.firmware,
      slot: 'firmware',
      ...body,
    });
    expect(status).toBe(201);
    const id = made.data.id as string;
    await this.turn(id);
    return id;
  }

  /** What the process of an installation does when it may begin, now or later. */
  async turn(installationId: string, laterMs = 0): Promise<void> {
    const { pool, services } = this.on.api;
    const about = { tenantId: 'default', deviceId: this.id, from: { kind: 'process' as const }, installationId };
    const now = services.now() + laterMs;
    await asService(pool, (tx) => record(tx, [{ ...about, kind: 'event', event: { type: 'begin' } }], now));
  }

  operator(method: string, path: string, body?: unknown): Promise<Reply> {
    return this.on.api.call(method, `/v1/devices/${this.id}/firmware-installations${path}`, body);
  }

  async stateOf(installationId: string): Promise<string> {
    return (await this.operator('GET', `/${installationId}`)).body.data.state as string;
  }

  async reportOf(installationId: string): Promise<Record<string, unknown>> {
    return (await this.operator('GET', `/${installationId}`)).body.data as Record<string, unknown>;
  }

  /** The offer that the poll leads to. */
  async offer(): Promise<Offer> {
    const { deploymentBase } = await this.links();
    expect(deploymentBase).toEqual(expect.any(String));
    const { status, body } = await this.call('GET', deploymentBase as string);
    expect(status).toBe(200);
    return body as Offer;
  }
}
