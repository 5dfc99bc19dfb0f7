import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createFleet, type Fleet, type FleetEvent } from '../../agent/simulator/fleet.js';
import { PROFILES, type ProfileName } from '../../agent/simulator/profiles.js';
import { mayRetry } from '../../domain/installation/retry.js';
import { FileServer, type ServedFile } from './file-server.js';
import { documentFor, TENANT, TestService } from './service.js';

const NAMES = Object.keys(PROFILES) as ProfileName[];
/** Several with each profile that rolls dice, so that more than one of its faces is seen. */
const DEVICES = NAMES.flatMap((profile) =>
  Array.from({ length: ['crashing', 'flapping', 'duplicating'].includes(profile) ? 4 : 1 }, (_, index) => ({
    tenant: TENANT,
    id: `${profile}-${index}`,
    username: `${TENANT}/${profile}-${index}`,
    password: 'secret',
    profile,
    children: profile.startsWith('gateway')
      ? [0, 1, 2, 3].map((child) => ({ id: `${profile}-${index}-child-${child}` }))
      : [],
  })),
);
const GATEWAYS = DEVICES.filter(({ children }) => children.length > 0);
const CHILDREN = GATEWAYS.flatMap(({ id: node, children }) => children.map(({ id }) => ({ id, node })));
const ids = (profile: ProfileName) => DEVICES.filter((device) => device.profile === profile).map(({ id }) => id);
const ENDS = ['installed', 'failed', 'rejected', 'canceled'];

describe('A simulated fleet', () => {
  let service: TestService;
  let server: FileServer;
  let fleet: Fleet;
  let dir: string;
  let file: ServedFile;
  const events: FleetEvent[] = [];
  const lastEnd = (id: string) => service.statuses(id).findLast(({ state }) => ENDS.includes(state));

  beforeAll(async () => {
    [service, server, dir] = await Promise.all([
      TestService.start(),
      FileServer.start(),
      mkdtemp(join(tmpdir(), 'slipway-fleet-')),
    ]);
    file = server.file('1.5.0', 500_000);
    fleet = createFleet({
      devices: DEVICES,
      mqttUrl: service.url,
      dir,
      seed: 4,
      times: { install: 50, reboot: 80, defer: 600, slowDownload: 800, down: 100, late: 700, push: 300 },
      timings: { repeat: { firstMs: 500, maxMs: 2_000 }, answer: 500 },
    });
    fleet.onEvent((event) => events.push(event));
    await fleet.start();
    await Promise.all([
      ...DEVICES.map(({ id }) => installOn(id)),
      ...CHILDREN.map(({ id, node }) => installOn(id, node)),
    ]);
  });
  afterAll(async () => {
    await fleet.stop();
    await Promise.all([service.stop(), server.stop()]);
    await rm(dir, { recursive: true, force: true });
  });

  /** What the service does with one installation: a document per attempt, as the retry policy says. */
  async function installOn(id: string, node = id): Promise<void> {
    const desired = documentFor(file, { device: { id, aliases: [] } });
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await service.publish(id, { ...desired, attempt, revision: attempt }, node);
      if (id.startsWith('silent')) return;
      const end = await service.until(
        () => service.statuses(id).find((status) => status.attempt === attempt && ENDS.includes(status.state)),
        `the end of attempt ${attempt} on ${id}`,
        30_000,
      );
      if (end.state !== 'failed' || !mayRetry(end.error as Parameters<typeof mayRetry>[0])) return;
    }
  }

  it.each(NAMES)('ends as its profile says: %s', async (profile) => {
    const { state } = PROFILES[profile].expected;
    for (const id of ids(profile)) expect(lastEnd(id)?.state ?? 'timed_out').toBe(state);
  });

  it('wrote each slot once per installation, and the slot holds what was reported', async () => {
    for (const { id } of [...DEVICES, ...CHILDREN]) {
      const journal = await fleet.device(id).journal();
      const isInstalled = lastEnd(id)?.state === 'installed';
      expect([id, journal.filter(({ kind }) => kind === 'install').length]).toEqual([
        id,
        isInstalled || id.startsWith('rollback') ? 1 : 0,
      ]);
      expect([id, await fleet.device(id).holds('firmware', file.sha256)]).toEqual([id, isInstalled]);
      expect([id, (await fleet.device(id).held('firmware')).version]).toEqual([id, isInstalled ? '1.5.0' : '1.0.0']);
    }
  });

  it('has gateways that fetch once for all their children, and children whose end is as their own profile says', () => {
    for (const { id } of CHILDREN)
      expect([id, lastEnd(id)?.state]).toEqual([id, fleet.device(id).profile.expected.state]);
    const away = 'gatewayWithUnreachableChild-0-child-0';
    expect(service.statuses(away).find(({ state }) => state === 'failed')).toMatchObject({
      attempt: 1,
      error: { code: 'CHILD_UNREACHABLE', retriable: true },
    });
    expect(lastEnd(away)).toMatchObject({ state: 'installed', attempt: 2 });
    expect(
      server.requests.filter(({ path, status }) => path.startsWith('/1.5.0') && status === 200).length,
    ).toBeLessThan(DEVICES.length + 5);
    for (const { id, node } of CHILDREN)
      expect(service.heard.filter((message) => message.device === id).every((message) => message.node === node)).toBe(
        true,
      );
  });

  it('has a device that connects after its work was published', () => {
    const [first] = service.hellos('offline-0');
    expect(first?.slots['firmware']?.version).toBe('1.0.0');
    expect(first!.at!).toBeGreaterThan(service.hellos('good-0')[0]!.at! + 500);
  });

  it('injects real faults: cut downloads, a wrong hash, a roll back, crashes, lost connections', () => {
    const of = (profile: ProfileName) =>
      events.filter(({ device }) => ids(profile).includes(device)).map(({ phase }) => phase);
    expect(server.requests.some(({ range, status }) => range !== undefined && status === 206)).toBe(true);
    expect(service.statuses('wrongHash-0').find(({ state }) => state === 'failed')).toMatchObject({
      attempt: 1,
      error: { code: 'HASH_MISMATCH', retriable: true },
    });
    expect(service.statuses('rollback-0').at(-1)).toMatchObject({
      state: 'failed',
      error: { code: 'BOOT_FAILED_ROLLED_BACK', retriable: false },
    });
    expect(service.statuses('busy-0').find(({ state }) => state === 'failed')).toMatchObject({
      attempt: 1,
      error: { code: 'BUSY' },
    });
    expect(service.statuses('rejecting-0').at(-1)).toMatchObject({ error: { code: 'INCOMPATIBLE' } });
    expect(service.states('deferring-0')).toContain('deferred');
    expect(service.states('silent-0')).toEqual([]);
    expect(of('crashing').filter((phase) => phase === 'crashed')).toHaveLength(4);
    expect(of('flapping')).toContain('disconnected');
    // Which of its reports come twice depends on when its connection ends: at the reboot a repetition that waits is
    // lost.
    const said = service.states('duplicating-0');
    expect(said.length).toBeGreaterThan(new Set(said).size);
  });
});
