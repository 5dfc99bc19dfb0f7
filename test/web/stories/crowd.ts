import type { Browser } from '@playwright/test';
import { importDevices } from '../../../demo/service/import.js';
import { TestedAllInOne } from '../../support/all-in-one.js';
import { openBrowser } from '../browser.js';

/** Thousands of devices that are registered and silent, and one of everything else that has a page. */
export class Crowd {
  readonly service = new TestedAllInOne();
  browser!: Browser;
  /** Addresses of pages with something on them, by their names. */
  pages: Readonly<Record<string, string>> = {};

  constructor(readonly size: number) {}

  async open(): Promise<void> {
    [this.browser] = await Promise.all([openBrowser(), this.service.start()]);
    const { operator } = this.service;
    const slots = { firmware: { name: 'Firmware' } };
    const deviceTypeId = await operator.deviceType({ name: 'switch', model: 'LS-1', slots });
    const numbers = Array.from({ length: this.size }, (_, index) => index + 1);
    await importDevices(
      operator,
      numbers.map((number) => ({
        info: {
          name: `switch-${String(number).padStart(6, '0')}`,
          deviceTypeId,
          tags: ['all', ...(number % 10 === 0 ? ['north'] : [])],
        },
        custom: { serial: `S${number}` },
      })),
    );
    const { id: firmwareId } = await operator.call<{ id: string }>('POST', '/v1/firmwares', {
      name: 'switch',
      version: '2.0.0',
    });
    await this.upload(firmwareId);
    await operator.associate(deviceTypeId, 'firmware', firmwareId);
    const [device] = await operator.call<readonly { id: string }[]>('GET', '/v1/devices?pageSize=1');
    const installation = await operator.install(device!.id, { firmwareId, slot: 'firmware' });
    const rollout = await operator.call<{ id: string }>('POST', '/v1/rollouts', {
      name: 'to all',
      steps: [{ slot: 'firmware', firmwareId }],
      targets: { filter: 'tag==all' },
    });
    await operator.call('POST', `/v1/rollouts/${rollout.id}/start`, {});
    this.pages = {
      overview: '/',
      devices: '/devices',
      device: `/devices/${device!.id}`,
      installation: `/installations/${installation.id}?device=${device!.id}`,
      gateways: '/gateways',
      rollouts: '/rollouts',
      rollout: `/rollouts/${rollout.id}`,
      approvals: '/approvals',
      jobs: '/jobs',
    };
  }

  async close(): Promise<void> {
    await this.browser?.close();
    await this.service.stop();
    this.service.remove();
  }

  get url(): string {
    return this.service.endpoints.http;
  }

  get key(): string {
    return this.service.operator.token;
  }

  private async upload(firmwareId: string): Promise<void> {
    const response = await fetch(`${this.url}/v1/firmwares/${firmwareId}/blob`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.key}`, 'content-type': 'application/octet-stream' },
      body: 'a small firmware',
    });
    if (!response.ok) throw new Error(`the upload was answered with ${response.status}: ${await response.text()}`);
  }
}
