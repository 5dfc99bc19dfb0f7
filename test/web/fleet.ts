import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFleet, type Fleet } from '../../agent/simulator/fleet.js';
import type { Profile } from '../../agent/simulator/profile.js';
import { PROFILES, type ProfileName } from '../../agent/simulator/profiles.js';
import type { AllInOne } from '../../demo/service/all-in-one.js';

/** A small fleet with devices of every mood, as stories and pictures need it. Owned by the test, which stops it. */
export interface StoryFleet {
  readonly typeId: string;
  /** Ids by name. */
  readonly devices: Readonly<Record<string, string>>;
  /** Makes a firmware of a version that may go into the slot `firmware`. @returns its id */
  readonly firmware: (version: string) => Promise<string>;
  /** @returns the id of the installation */
  readonly install: (device: string, firmwareId: string, more?: object) => Promise<string>;
  /**
   * A rollout to devices by name that is started: those tagged `rejecting` are its canary, whose gate allows no failure.
   * @returns its id
   */
  readonly rollout: (name: string, firmwareId: string, devices: readonly string[], more?: object) => Promise<string>;
  stop(): Promise<void>;
}

/** Devices that are registered and have a password, but never connect. */
const SILENT = ['never connected', 'without a password'] as const;

/** Registers the devices of `moods`, by name, starts simulated agents for them, and registers two that stay silent. */
export async function storyFleet(
  service: AllInOne,
  moods: Readonly<Record<string, ProfileName | Profile>>,
): Promise<StoryFleet> {
  const { operator, endpoints } = service;
  const dir = mkdtempSync(join(tmpdir(), 'slipway-web-'));
  const typeId = await operator.deviceType({
    name: 'switch',
    model: 'LS-1',
    slots: { firmware: { name: 'Firmware' } },
  });
  const devices: Record<string, string> = {};
  const connected = [];
  for (const [name, mood] of Object.entries(moods)) {
    const profile: Profile = typeof mood === 'string' ? PROFILES[mood] : mood;
    const id = await operator.device({ name, deviceTypeId: typeId, tags: [profile.name] });
    devices[name] = id;
    const { username, password } = await operator.password(id);
    connected.push({ tenant: 'default', id, profile, username, password });
  }
  for (const name of SILENT) devices[name] = await operator.device({ name, deviceTypeId: typeId });
  await operator.password(devices[SILENT[0]]!);
  const times = { install: 300, reboot: 300, slowDownload: 20_000, defer: 1_000, down: 500 };
  const fleet: Fleet = createFleet({ devices: connected, mqttUrl: endpoints.mqtt, dir, seed: 5, times });
  await fleet.start();
  return {
    typeId,
    devices,
    async firmware(version) {
      const file = join(dir, 'firmware.bin');
      writeFileSync(file, randomBytes(200_000));
      const id = await operator.firmware('switch', version, file);
      await operator.associate(typeId, 'firmware', id);
      return id;
    },
    async install(device, firmwareId, more = {}) {
      const path = `/v1/devices/${devices[device]!}/firmware-installations`;
      return (await operator.call<{ id: string }>('POST', path, { firmwareId, slot: 'firmware', ...more })).id;
    },
    async rollout(name, firmwareId, names, more = {}) {
      const { id } = await operator.call<{ id: string }>('POST', '/v1/rollouts', {
        name,
        steps: [{ slot: 'firmware', firmwareId }],
        targets: { deviceIds: names.map((one) => devices[one]) },
        groups: [{ name: 'canary', filter: 'tag==rejecting', gate: { minSuccess: 1 } }, { name: 'rest' }],
        stopIf: [],
        ...more,
      });
      await operator.call('POST', `/v1/rollouts/${id}/start`, {});
      return id;
    },
    async stop() {
      await fleet.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
