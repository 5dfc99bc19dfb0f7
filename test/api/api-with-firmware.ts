import { randomBytes } from 'node:crypto';
import { expect } from '@jest/globals';
import { startApi, type ApiUnderTest, type Reply } from './api-under-test.js';
import { uploaded } from './upload.js';

/** The API with a device type of two slots and a firmware that fits both. */
export class ApiWithFirmware {
  private constructor(
    readonly api: ApiUnderTest,
    private readonly type: string,
    readonly firmware: string,
  ) {}

  /** @param name of the suite's database. */
  static async start(name: string): Promise<ApiWithFirmware> {
    const api = await startApi(name);
    const type = (
      await api.call('POST', '/v1/device-types', {
        name: 'Switch',
        slots: { firmware: { name: 'F' }, bootloader: { name: 'B' } },
      })
    ).body.data.id as string;
    const started = new ApiWithFirmware(api, type, await uploaded(api, randomBytes(1000)));
    for (const slot of ['firmware', 'bootloader']) await started.associate(started.firmware, slot);
    return started;
  }

  async associate(firmwareId: string, slot: string): Promise<void> {
    const path = `/v1/device-types/${this.type}/slots/${slot}/firmware-associations`;
    expect((await this.api.call('POST', path, { firmwareId })).status).toBe(201);
  }

  async register(): Promise<Device> {
    const { body } = await this.api.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId: this.type } });
    return new Device(body.data.id as string, this);
  }

  close(): Promise<void> {
    return this.api.close();
  }
}

/** A device, and the paths of its installations. */
export class Device {
  constructor(
    readonly id: string,
    private readonly on: ApiWithFirmware,
  ) {}

  post(body: Record<string, unknown> = {}): Promise<Reply> {
    return this.call('POST', '', { firmwareId: this.on.firmware, slot: 'firmware', ...body });
  }

  async install(body: Record<string, unknown> = {}): Promise<string> {
    const { status, body: made } = await this.post(body);
    expect(status).toBe(201);
    return made.data.id as string;
  }

  call(method: string, path: string, body?: unknown): Promise<Reply> {
    return this.on.api.call(method, `/v1/devices/${this.id}/firmware-installations${path}`, body);
  }

  report(id: string, body: unknown): Promise<Reply> {
    return this.call('PATCH', `/${id}`, body);
  }
}

export function idsOf(list: Reply): string[] {
  return (list.body.data as { id: string }[]).map((one) => one.id);
}

/** @returns a time in RFC 3339. */
export const ago = (ms: number): string => new Date(Date.now() - ms).toISOString();
