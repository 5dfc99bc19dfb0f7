import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createCredential,
  createDeviceType,
  createFirmware,
  createFirmwareAssociation,
  importDevices,
  patchDeviceType,
  readJob,
  SlipwayError,
  type DeviceType,
  type Firmware,
  type Job,
} from '../../../client/index.js';
import type { Cli } from '../cli.js';
import { hashed, send } from '../upload.js';
import { eachOf } from './found.js';
import type { ManagementApi } from './management.js';
import type { PlannedDevice, PlannedFirmware, PlannedType } from './plan.js';

/** What of one kind there was to do, and what became of it. */
export interface Tally {
  readonly kind: 'device types' | 'firmwares' | 'associations' | 'devices' | 'tokens';
  made: number;
  /** It was there already, and was left as it is. */
  there: number;
  failed: number;
}

/** What the service has already. */
export interface Present {
  readonly types: readonly DeviceType[];
  /** Those that are ready. */
  readonly firmwares: readonly Firmware[];
  /** Ids of devices, by alias. */
  readonly devices: ReadonlyMap<string, string>;
}

/** Devices of one job: the API takes twice as many. */
const JOB_DEVICES = 50_000;
const LOOK_MS = 250;
const AT_ONCE = 8;

/** Does what the plan says. Each step can be done again: what is there is found, and left. */
export class CarryOut {
  readonly tallies: Tally[] = [];
  /** What was refused, one sentence each. */
  readonly faults: string[] = [];

  constructor(
    private readonly cli: Cli,
    private readonly api: ManagementApi,
    private readonly present: Present,
  ) {}

  /** @returns ids by the name of the type */
  async types(planned: readonly PlannedType[]): Promise<Map<string, string>> {
    const { client } = this.cli;
    const tally = this.begin('device types');
    const ids = new Map<string, string>();
    for (const { name, slots } of planned) {
      const known = this.present.types.find((one) => one.name === name);
      if (known) {
        const missing = Object.entries(slots).filter(([slot]) => !Object.hasOwn(known.slots, slot));
        if (missing.length > 0)
          await patchDeviceType({ client, path: { id: known.id }, body: { slots: Object.fromEntries(missing) } });
        tally.there += 1;
      }
      const id = known?.id ?? (await createDeviceType({ client, body: { name, slots } })).data.id;
      if (!known) tally.made += 1;
      ids.set(name, id);
    }
    return ids;
  }

  /** @returns ids of those that are there now */
  async firmwares(planned: readonly PlannedFirmware[]): Promise<Map<PlannedFirmware, string>> {
    const tally = this.begin('firmwares');
    const ids = new Map<PlannedFirmware, string>();
    for (const one of planned) {
      const known = this.present.firmwares.filter(({ name, version }) => name === one.name && version === one.version);
      const same = known.find(({ sha256, size }) => isSame(one, { sha256: sha256 ?? '', size: size ?? -1 }));
      if (same) tally.there += 1;
      else if (known.length > 0) this.fault(tally, `${one.name} ${one.version} is there with other bytes: it is left.`);
      else await this.tried(tally, `${one.name} ${one.version}`, async () => void ids.set(one, await this.upload(one)));
      if (same) ids.set(one, same.id);
    }
    return ids;
  }

  async associations(
    planned: readonly PlannedType[],
    types: ReadonlyMap<string, string>,
    firmwares: ReadonlyMap<PlannedFirmware, string>,
  ): Promise<void> {
    const { client } = this.cli;
    const tally = this.begin('associations');
    for (const { name, allowed } of planned)
      for (const { slot, firmware } of allowed) {
        const [id, firmwareId] = [types.get(name), firmwares.get(firmware)];
        if (id === undefined || firmwareId === undefined) continue;
        try {
          await createFirmwareAssociation({ client, path: { id, slotName: slot }, body: { firmwareId } });
          tally.made += 1;
        } catch (error) {
          if (!(error instanceof SlipwayError) || error.code !== 'DEVICETYPE_ASSOCIATION_EXISTS') throw error;
          tally.there += 1;
        }
      }
  }

  /** Devices that are there are left: since then they may have said more of themselves. */
  async devices(planned: readonly PlannedDevice[], types: ReadonlyMap<string, string>): Promise<void> {
    const tally = this.begin('devices');
    for (let at = 0; at < planned.length; at += JOB_DEVICES) {
      const some = planned.slice(at, at + JOB_DEVICES);
      const job = await this.imported(some.map((one) => lineOf(one, types.get(one.type) ?? '')).join(''));
      tally.made += job.done;
      tally.there += job.skipped;
      tally.failed += job.failed;
      for (const { line, pointer, detail } of job.errors)
        this.faults.push(`${some[line - 1]?.controllerId ?? `line ${line}`}: ${pointer} ${detail}`);
    }
  }

  /** The tokens that devices have. One that a device has here already makes no second one. */
  async tokens(planned: readonly PlannedDevice[], devices: ReadonlyMap<string, string>): Promise<void> {
    const { client } = this.cli;
    const tally = this.begin('tokens');
    await eachOf(planned, AT_ONCE, async ({ controllerId, token }) => {
      const id = devices.get(controllerId);
      if (token === undefined || id === undefined) return;
      await this.tried(tally, `the token of ${controllerId}`, async () => {
        await createCredential({ client, path: { id }, body: { type: 'hawkbitToken', token } });
      });
      const done = tally.made + tally.there + tally.failed;
      if (done % 1_000 === 0) this.cli.note(`tokens: ${done}`);
    });
  }

  private begin(kind: Tally['kind']): Tally {
    const tally = { kind, made: 0, there: 0, failed: 0 };
    this.tallies.push(tally);
    return tally;
  }

  /** One that is refused does not end the import; a service that is away does. */
  private async tried(tally: Tally, what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      tally.made += 1;
    } catch (error) {
      if (error instanceof SlipwayError && error.code === 'DEVICE_CREDENTIAL_SHOWN') {
        tally.there += 1;
        return;
      }
      const isRefusal = error instanceof SlipwayError && error.status >= 400 && error.status < 500;
      if (!isRefusal || error.status === 401 || error.status === 403 || error.status === 429) throw error;
      this.fault(tally, `${what}: ${error.message}`);
    }
  }

  private fault(tally: Tally, sentence: string): void {
    tally.failed += 1;
    this.faults.push(sentence);
  }

  private async upload({ name, version, description, labels, module, artifact }: PlannedFirmware): Promise<string> {
    const { client } = this.cli;
    const folder = mkdtempSync(join(tmpdir(), 'slipway-import-'));
    try {
      const file = join(folder, 'artifact');
      await pipeline(await this.api.download(module.id, artifact.id), createWriteStream(file, { mode: 0o600 }));
      const got = await hashed(file);
      if (!isSame({ artifact }, got))
        throw new SlipwayError(422, '', 'what hawkBit sent is not what it says that it is', {});
      const body = { name, version, labels, ...got, ...(description === undefined ? {} : { description }) };
      const { data } = await createFirmware({ client, body });
      await send(this.cli, file, got.size, data.id);
      return data.id;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  private async imported(lines: string): Promise<Job> {
    const { client } = this.cli;
    const type = 'application/x-ndjson';
    const { data } = await importDevices({
      client,
      body: new Blob([lines], { type }),
      headers: { 'content-type': type },
      query: { onConflict: 'skip' },
    });
    for (let job = data; ;) {
      if (job.state === 'done' || job.state === 'failed' || job.state === 'canceled') return job;
      await sleep(LOOK_MS);
      job = (await readJob({ client, path: { id: job.id } })).data;
    }
  }
}

/** Older hawkBits know no SHA-256. */
function isSame(
  { artifact }: Pick<PlannedFirmware, 'artifact'>,
  { sha256, size }: { sha256: string; size: number },
): boolean {
  return artifact.size === size && (artifact.hashes.sha256 === undefined || artifact.hashes.sha256 === sha256);
}

function lineOf({ controllerId, name, description, tags, custom }: PlannedDevice, deviceTypeId: string): string {
  const info = {
    name,
    deviceTypeId,
    aliases: [controllerId],
    tags,
    ...(description === undefined ? {} : { description }),
  };
  return `${JSON.stringify({ info, custom })}\n`;
}
