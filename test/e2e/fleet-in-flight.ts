import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { InstallationResource, Operator } from '../../demo/service/operator.js';
import { createFleet, type Fleet } from '../../agent/simulator/fleet.js';
import { PROFILES, type ProfileName } from '../../agent/simulator/profiles.js';

/**
 * Until some of a wave has reached its devices, on a machine that is busy with other work while parts of the service
 * begin anew.
 */
const IN_FLIGHT_MS = 120_000;
const NOT_YET = new Set(['scheduled', 'queued']);
const SIZE = 300_000;

export interface Wave {
  readonly version: string;
  readonly sha256: string;
  readonly installations: readonly { id: string; deviceId: string; profile: ProfileName }[];
}

/** Where operators and devices find the service; read anew for each request, since a restart may change it. */
export interface Reached {
  readonly operator: Operator;
  readonly endpoints: { readonly mqtt: string };
}

/**
 * A simulated fleet against the real service: registered over REST, connected over MQTT, and its disks read at the end.
 */
export class FleetInFlight {
  private readonly dir = mkdtempSync(join(tmpdir(), 'slipway-fleet-'));
  private fleet: Fleet | undefined;
  private devices: { id: string; profile: ProfileName }[] = [];
  private typeId = '';
  private versions = 0;

  /**
   * @param patience of the deadlines: longer than the service may be away, or a device is given up that could not be
   * heard
   */
  constructor(
    private readonly service: Reached,
    private readonly seed: number,
    private readonly patience = { offer: 'PT12S', rest: 'PT30S' },
    /** `type`: the name of its device type and firmware; `soak`: of each installation; `install`: how long one takes. */
    private readonly more: { readonly type?: string; readonly soak?: string; readonly installMs?: number } = {},
  ) {}

  /** Of its devices. */
  get ids(): string[] {
    return this.devices.map(({ id }) => id);
  }

  /** Of its devices. */
  get deviceTypeId(): string {
    return this.typeId;
  }

  private get typeName(): string {
    return this.more.type ?? 'switch';
  }

  /** A wait for a service that is just being killed: the request is made again until it is answered. */
  private async insist<T>(what: () => Promise<T>, ms = 60_000): Promise<T> {
    for (const end = Date.now() + ms; ; await sleep(200)) {
      try {
        return await what();
      } catch (error) {
        if (Date.now() > end) throw error;
      }
    }
  }

  /** @param mqttUrl where the devices connect, if not straight to the broker */
  async register(profiles: readonly ProfileName[], mqttUrl?: string): Promise<void> {
    const { operator, endpoints } = this.service;
    this.typeId = await operator.deviceType({ name: this.typeName, slots: { firmware: { name: 'Firmware' } } });
    const connected = await Promise.all(
      profiles.map(async (profile, index) => {
        const id = await operator.device({ name: `device ${index}`, deviceTypeId: this.typeId });
        const { username, password } = await operator.password(id);
        return { tenant: 'default', id, profile, username, password };
      }),
    );
    this.devices = connected.map(({ id, profile }) => ({ id, profile }));
    this.fleet = createFleet({
      devices: connected,
      mqttUrl: mqttUrl ?? endpoints.mqtt,
      dir: this.dir,
      seed: this.seed,
      times: { install: this.more.installMs ?? 700, reboot: 700, slowDownload: 3_000, defer: 1_500, down: 500 },
    });
    await this.fleet.start();
  }

  /**
   * Uploads a new version and asks for it on every device: 201 for each, however often it must be asked for while the
   * API is down. `offer`: how long a device may take to accept.
   */
  async schedule(offer = this.patience.offer): Promise<Wave> {
    const { operator } = this.service;
    const { version, firmwareId, sha256 } = await this.newVersion();
    const terms = {
      ...(this.more.soak === undefined ? {} : { soak: this.more.soak }),
      timeouts: { offer, download: this.patience.rest, install: this.patience.rest, confirm: this.patience.rest },
      retry: { maxAttempts: 4, backoff: { first: 'PT1S' } },
    };
    const installations = await Promise.all(
      this.devices.map(async ({ id: deviceId, profile }) => {
        const key = randomUUID();
        const { id } = await this.insist(() =>
          operator.install(deviceId, { firmwareId, slot: 'firmware', ...terms }, key),
        );
        return { id, deviceId, profile };
      }),
    );
    return { version, sha256, installations };
  }

  /** Uploads a new version, which nothing asks for yet. */
  async newVersion(): Promise<{ version: string; firmwareId: string; sha256: string }> {
    const bytes = randomBytes(SIZE);
    const uploaded = await this.insist(() => this.upload(bytes));
    return { ...uploaded, sha256: createHash('sha256').update(bytes).digest('hex') };
  }

  /** @returns how many devices do not hold this content. */
  async without(sha256: string): Promise<number> {
    const held = await Promise.all(this.ids.map((id) => this.fleet!.device(id).holds('firmware', sha256)));
    return held.filter((holds) => !holds).length;
  }

  private async upload(bytes: Buffer): Promise<{ version: string; firmwareId: string }> {
    const version = `${(this.versions += 1)}.0.0`;
    const file = join(this.dir, `${version}.bin`);
    writeFileSync(file, bytes);
    const firmwareId = await this.service.operator.firmware(this.typeName, version, file);
    await this.service.operator.associate(this.typeId, 'firmware', firmwareId);
    return { version, firmwareId };
  }

  look(wave: Wave): Promise<InstallationResource[]> {
    return Promise.all(
      wave.installations.map((one) => this.insist(() => this.service.operator.installation(one.deviceId, one.id))),
    );
  }

  /** Waits until at least `share` of the wave has been with the devices. */
  async inFlight(wave: Wave, share: number): Promise<void> {
    for (const end = Date.now() + IN_FLIGHT_MS; ; await sleep(50)) {
      const states = (await this.look(wave)).map((one) => one.state);
      if (states.filter((state) => !NOT_YET.has(state)).length >= share * states.length) return;
      if (Date.now() > end) throw new Error(`never had ${share} of the wave in flight: ${tally(states)}`);
    }
  }

  /**
   * @returns what is wrong with the wave's end, a line each; none = every device ended as its profile says, and nothing
   * was installed twice.
   */
  async faultsAtTheEnd(wave: Wave, ms: number): Promise<string[]> {
    let last: InstallationResource[] = [];
    for (const end = Date.now() + ms; Date.now() < end; await sleep(300)) {
      last = await this.look(wave);
      if (last.every((one) => one.completedAt ?? one.rejectedAt)) break;
    }
    const faults: string[] = [];
    for (const [index, { deviceId, profile, id }] of wave.installations.entries()) {
      const { state, waitingOn, rejectReason, attempt } = last[index]!;
      const expected = PROFILES[profile].expected.state;
      const device = this.fleet!.device(deviceId);
      const writes = (await device.journal()).filter((line) => line.kind === 'install' && line.installationId === id);
      const holds = await device.holds('firmware', wave.sha256);
      if (state !== expected)
        faults.push(`${profile}: ${state} (try ${attempt}) instead of ${expected}: ${waitingOn ?? rejectReason ?? ''}`);
      if (holds !== (expected === 'installed'))
        faults.push(`${profile}: the slot ${holds ? 'holds' : 'does not hold'} ${wave.version}`);
      if (new Set(writes.map((line) => line.attempt)).size !== writes.length)
        faults.push(`${profile}: one attempt was written into the slot twice`);
      if (expected === 'installed' && writes.length !== 1)
        faults.push(`${profile}: written into the slot ${writes.length} times`);
    }
    return faults;
  }

  async end(): Promise<void> {
    await this.fleet?.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

function tally(states: readonly string[]): string {
  return [...new Set(states)].map((state) => `${states.filter((one) => one === state).length} ${state}`).join(', ');
}
