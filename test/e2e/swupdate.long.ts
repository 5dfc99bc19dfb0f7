import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { InstallationResource } from '../../demo/service/operator.js';
import { commandBlocks } from '../examples/blocks.js';
import { ROWS } from '../examples/rows.js';
import { makeCheckout, walk } from '../examples/walk.js';
import { TestedAllInOne, until } from '../support/all-in-one.js';
import { requireProgram } from '../support/programs.js';
import { ImageMaker, SwupdateDevice } from '../support/swupdate.js';

const GUIDE = 'docs/connect/swupdate.md';
const folder = mkdtempSync(join(tmpdir(), 'slipway-swu-'));
const slipway = new TestedAllInOne(join(folder, '.slipway'));
/** At this speed the download of so many bytes takes 6 s: progress is seen every 2 s. */
const [LARGE, SLOWLY] = [24_000_000, '4M'];
let images: ImageMaker;
let typeId: string;
let board: Board | undefined;

beforeAll(async () => {
  for (const program of ['swupdate', 'cpio', 'openssl', 'setpriv', 'curl', 'jq', 'zck'])
    requireProgram(program, 'debian');
  makeCheckout(folder);
  mkdirSync(slipway.dataDir);
  mkdirSync(join(folder, 'images'));
  images = await ImageMaker.start(join(folder, 'images'));
  await slipway.start();
  const { operator } = slipway;
  typeId = await operator.deviceType({ name: 'Board', slots: { firmware: { name: 'System', part: 'os' } } });
}, 120_000);
beforeEach(() => pollsEvery('PT1S'));
afterEach(() => board?.device.stop());
afterAll(async () => {
  await slipway.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

type Shown = InstallationResource & { progress: { bytes: number } | null; error: { code: string } | null };

/**
 * SWUpdate polls in the middle of its downloads, too, between two chunks of 16 kB: where a poll takes longer than its
 * interval, it polls at each chunk, and a download of megabytes takes hours.
 */
async function pollsEvery(pollingInterval: string): Promise<void> {
  await slipway.operator.call('PATCH', '/v1/hawkbit-settings', { pollingInterval });
}

interface Wanted {
  /** What it holds in the end. */
  readonly bytes?: Buffer;
  /** Its image; absent = one that writes the bytes. */
  readonly imageFor?: (home: string) => Promise<string>;
  /** Of the request of the installation. */
  readonly [more: string]: unknown;
}

/** A device with SWUpdate, a firmware for it, and the installation of this firmware. */
class Board {
  private printedBefore = 0;

  private constructor(
    readonly device: SwupdateDevice,
    private readonly deviceId: string,
    private readonly id: string,
    readonly bytes: Buffer,
  ) {}

  static async make(
    name: string,
    {
      bytes = randomBytes(300_000),
      imageFor = (home) => images.make(name, SwupdateDevice.target(home), bytes),
      ...request
    }: Wanted = {},
  ): Promise<Board> {
    const { operator, endpoints } = slipway;
    const home = join(folder, name);
    const image = await imageFor(home);
    const firmwareId = await operator.firmware(name, '2.0.0', image);
    await operator.associate(typeId, 'firmware', firmwareId);
    const deviceId = await operator.device({ name, deviceTypeId: typeId, aliases: [name] });
    const { token } = await operator.call<{ token: string }>('POST', `/v1/devices/${deviceId}/credentials`, {
      type: 'hawkbitToken',
    });
    const { id } = await operator.install(deviceId, { firmwareId, slot: 'firmware', ...request });
    const device = new SwupdateDevice(home, images.certificate, { url: endpoints.http, controllerId: name, token });
    board = new Board(device, deviceId, id, bytes);
    return board;
  }

  printsAfterBoot(text: string): boolean {
    return this.device.output.slice(this.printedBefore).includes(text);
  }

  look(): Promise<Shown> {
    return slipway.operator.call('GET', `/v1/devices/${this.deviceId}/firmware-installations/${this.id}`);
  }

  operate(verb: 'cancel' | 'release'): Promise<unknown> {
    return slipway.operator.call('POST', `/v1/devices/${this.deviceId}/firmware-installations/${this.id}/${verb}`, {});
  }

  async reaches(state: string): Promise<Shown> {
    try {
      return await until(
        `${state} is reached`,
        async () => {
          const now = await this.look();
          return now.state === state && now;
        },
        60_000,
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.device.output.slice(-4_000)}`, { cause: error });
    }
  }

  async reboot(...more: string[]): Promise<void> {
    await this.device.stop();
    this.printedBefore = this.device.output.length;
    this.device.boot(...more);
  }
}

describe("Debian's SWUpdate", () => {
  it('installs, waits for its reboot, and is installed once it says so after it', async () => {
    const one = await Board.make('good');
    one.device.boot();
    await one.reaches('rebooting');
    await one.reboot('-c 2');
    const { history } = await one.reaches('installed');
    expect(history.map(({ event }) => event)).toEqual([
      ...['requested', 'delivered', 'accepted', 'downloading', 'installing', 'rebooting', 'installed'],
    ]);
    expect(one.device.holds(one.bytes)).toBe(true);
  }, 120_000);

  it('fails for good where it went back after the reboot, and is offered no more of it', async () => {
    const one = await Board.make('back');
    one.device.boot();
    await one.reaches('rebooting');
    await one.reboot('-c 3');
    expect(await one.reaches('failed')).toMatchObject({ attempt: 1, error: { code: 'BOOT_FAILED_ROLLED_BACK' } });
    await one.reboot();
    await until('it asks and finds nothing', () => one.printsAfterBoot('No pending action on server'));
  }, 120_000);

  it('stops a download that is canceled, and writes nothing', async () => {
    const one = await Board.make('stopped', { bytes: randomBytes(LARGE) });
    one.device.boot('-n', SLOWLY);
    await until('it downloads', async () => ((await one.look()).progress?.bytes ?? 0) > 0);
    await one.operate('cancel');
    await one.reaches('canceled');
    expect(one.device.output).toContain('Acknowledging cancelled update.');
  }, 120_000);

  it('cannot be stopped any more while it waits for its reboot, although it says that it can', async () => {
    const one = await Board.make('late');
    one.device.boot();
    await one.reaches('rebooting');
    await one.operate('cancel');
    await until('it answered', () => /"stopId" : "\d+"/.test(one.device.output));
    await one.reboot('-c 2');
    const { history } = await one.reaches('installed');
    expect(history.map(({ event }) => event)).toContain('cancel_requested');
    expect(one.device.holds(one.bytes)).toBe(true);
  }, 120_000);

  it('skips what is held at the gate, and installs it once it is released', async () => {
    const one = await Board.make('held', { gate: 'hold' });
    one.device.boot();
    await one.reaches('downloaded');
    expect(one.device.output).toContain("Update classified as 'skip' by server.");
    await one.operate('release');
    await one.reaches('rebooting');
    expect(one.device.holds(one.bytes)).toBe(true);
  }, 120_000);

  it('fetches only what it does not have, where its image is a difference (zchunk)', async () => {
    await pollsEvery('PT1M');
    const before = randomBytes(20_000_000);
    const bytes = Buffer.from(before);
    // More places than SWUpdate asks for at once (150), each in a chunk of its own, between chunks that stay.
    for (let at = 30_000; at < bytes.length; at += 70_000) randomBytes(100).copy(bytes, at);
    const { operator } = slipway;
    const zchunk = await images.zchunk('delta', bytes);
    const { downloadUrl: url } = await operator.call<{ downloadUrl: string }>(
      'GET',
      `/v1/firmwares/${await operator.firmware('delta-zck', '2.0.0', zchunk)}`,
    );
    const one = await Board.make('delta', {
      bytes,
      imageFor: (home) => {
        const [source, target] = [join(folder, 'delta-before'), SwupdateDevice.target(home)];
        writeFileSync(source, before);
        return images.makeDelta('delta', target, { source, zchunk, url });
      },
    });
    one.device.boot();
    await one.reaches('rebooting');
    expect(one.device.holds(bytes)).toBe(true);
    const asked = slipway.output.split('\n').filter((line) => line.includes('/download/firmwares/'));
    expect(asked.length).toBeGreaterThanOrEqual(2);
    for (const line of asked) expect(line).toContain('"status":206');
    const [, downloaded] = /Total downloaded data : (\d+) bytes/.exec(one.device.output) ?? [];
    expect(Number(downloaded)).toBeLessThan(0.8 * bytes.length);
  }, 120_000);
});

describe(`The commands of ${GUIDE}`, () => {
  it('do what it promises, on a new Slipway', async () => {
    const blocks = commandBlocks(GUIDE).map((block) => ({ block, row: ROWS[GUIDE][block.name] ?? { replaced: [] } }));
    const env = { HTTP: slipway.endpoints.http };
    expect(await walk(blocks, { folder, env, ms: 100_000 })).toEqual({ code: 0, differences: [], errors: '' });
  }, 120_000);
});
