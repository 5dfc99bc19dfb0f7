import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { MAX_PAYLOAD_BYTES, print, type Desired } from '../../protocol/mqtt/payloads.js';
import { mayRetry } from '../../domain/installation/retry.js';
import { digestOf } from './device.js';
import { FileServer, type ServedFile } from './file-server.js';
import { GATEWAY, testGateway, type TestChild, type TestGateway } from './gateway.js';
import { documentFor, TestService } from './service.js';

let service: TestService;
let server: FileServer;
let gateway: TestGateway;
let file: ServedFile;
beforeAll(async () => {
  server = await FileServer.start();
  file = server.file('1.5.0', 400_000);
});
afterAll(() => server.stop());
beforeEach(async () => {
  service = await TestService.start();
});
afterEach(async () => {
  await gateway.end();
  await service.stop();
  server.mishaps.length = 0;
  server.requests.length = 0;
});

async function connected(count: number, knownBy: 'alias' | 'id' = 'id'): Promise<readonly TestChild[]> {
  gateway = await testGateway(service.url, count, knownBy);
  if (knownBy === 'alias') service.aliases = Object.fromEntries(gateway.children.map(({ name, id }) => [name, id]));
  await gateway.boot();
  await service.until(() => service.hellos(GATEWAY).length > 0, 'the hello of the gateway');
  return gateway.children;
}
async function install(child: TestChild, also: Partial<Desired> = {}): Promise<Desired> {
  const desired = documentFor(file, { device: { id: child.id, aliases: [child.name] }, ...also });
  await service.publish(child.id, desired, GATEWAY);
  return desired;
}
const told = () => service.hellos(GATEWAY).flatMap(({ children }) => children ?? []);
const pushed = (child: TestChild) =>
  service.heard.filter(
    (message) => message.type === 'progress' && message.device === child.id && message.body.phase === 'push',
  );

describe('a gateway', () => {
  it('says hello without a child that does not answer, and reports it when it does', async () => {
    const [quick, hung] = await connected(2);
    let answer: (nothing: undefined) => void = () => undefined;
    hung!.answering = new Promise((done) => (answer = done));
    const before = service.hellos(GATEWAY).length;
    await service.command(GATEWAY, 'hello');
    const hello = await service.until(() => service.hellos(GATEWAY)[before], 'a hello', 5_000);
    expect(hello.children?.map(({ device }) => device)).toEqual([quick!.id]);
    expect(hello.slots).not.toEqual({});
    await service.command(GATEWAY, 'hello');
    await service.until(() => service.hellos(GATEWAY).length > before + 1, 'another hello', 5_000);
    answer(undefined);
    const more = await service.until(
      () =>
        service
          .hellos(GATEWAY)
          .slice(before)
          .find(({ children }) => children?.[0]?.device === hung!.id),
      'the hello that tells of the slow one',
    );
    expect(more).toMatchObject({ slots: {}, children: [{ reachable: true }] });
  });

  it("looks before it judges: killed in each of its child's reboots, it finds the child with the new content", async () => {
    const [child] = await connected(1);
    child!.rebooting = new Promise(() => undefined);
    await install(child!);
    for (let cut = 1; cut <= 3; cut += 1) {
      await service.until(() => child!.reboots === cut, `reboot ${cut}`);
      await gateway.crash();
    }
    await service.status(child!.id, 'installed');
    expect(service.states(child!.id)).not.toContain('failed');
    expect(child!.reboots).toBe(3);
  });

  it('says that the device did not reboot where its child still holds the old content then', async () => {
    const [child] = await connected(1);
    child!.rebooting = new Promise(() => undefined);
    await install(child!);
    for (let cut = 1; cut <= 3; cut += 1) {
      await service.until(() => child!.reboots === cut, `reboot ${cut}`);
      if (cut === 3) await child!.files.rollBack('firmware');
      await gateway.crash();
    }
    expect((await service.status(child!.id, 'failed')).error?.message).toMatch(/did not reboot/);
  });

  it('reports its children in its hello: slot contents and reachability', async () => {
    const [one, two] = await connected(2);
    two!.isReachable = false;
    await service.command(GATEWAY, 'hello');
    await service.until(
      () => told().some(({ reachable }) => !reachable),
      'the hello that tells of the unreachable one',
    );
    expect(told().find(({ device }) => device === one!.id)).toMatchObject({
      reachable: true,
      slots: { firmware: { version: '1.0.0', confirmed: true } },
    });
    expect(told().find(({ device, reachable }) => device === two!.id && !reachable)?.slots).toEqual({});
  });

  it('installs on many children with one download, pushes to each, and reports for each on its own topic', async () => {
    const children = await connected(5);
    const documents = await Promise.all(children.map((child) => install(child)));
    for (const [index, child] of children.entries()) {
      await service.status(child.id, 'installed');
      expect(await digestOf(child.files.currentPath('firmware'))).toBe(file.sha256);
      expect(child.pushes).toEqual([documents[index]!.installationId]);
      expect(pushed(child).length).toBeGreaterThan(0);
      expect([...new Set(service.states(child.id))]).toEqual([
        'accepted',
        'downloading',
        'downloaded',
        'installing',
        'rebooting',
        'installed',
      ]);
      expect(
        service.heard.filter((message) => message.device === child.id).every((message) => message.node === GATEWAY),
      ).toBe(true);
    }
    expect(server.requests.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(service.states(GATEWAY)).toEqual([]);
  });

  it('says hello for a child that has booted with the new content, before it reports it as installed', async () => {
    const [child] = await connected(1);
    const desired = await install(child!);
    await service.status(child!.id, 'installed');
    const heard = service.heard
      .filter((message) => message.device === child!.id)
      .map((message) => (message.type === 'status' ? message.body.state : message.type));
    expect(heard.lastIndexOf('hello')).toBeLessThan(heard.indexOf('installed'));
    expect(service.hellos(child!.id).at(-1)?.slots['firmware']).toMatchObject({
      sha256: file.sha256,
      installationId: desired.installationId,
      confirmed: true,
      revision: 1,
    });
  });

  it('continues with the others, from the same bytes, where the child whose document began the download is cancelled', async () => {
    const [one, two] = await connected(2);
    server.mishaps.push({ stallAfter: 150_000 });
    const first = await install(one!);
    await service.until(
      () => service.heard.some((message) => message.type === 'progress' && message.device === one!.id),
      'progress of the first',
    );
    await install(two!);
    await service.status(two!.id, 'downloading');
    await service.command(one!.id, 'cancel', first.installationId, GATEWAY);
    await service.status(one!.id, 'canceled');
    await service.status(two!.id, 'installed');
    expect(server.requests.at(-1)).toMatchObject({ status: 206 });
    expect(one!.pushes).toEqual([]);
  });

  it('fetches again for all children what had a wrong hash for one', async () => {
    const [one, two] = await connected(2);
    const wrong = server.file('1.5.9', 200_000);
    server.put('/1.5.9', Buffer.alloc(200_000, 1));
    server.mishaps.push({ cutAfter: 100_000 }); // so that both wait for the same download
    const documents = [one!, two!].map((child) => documentFor(wrong, { device: { id: child.id, aliases: [] } }));
    await Promise.all(documents.map((desired) => service.publish(desired.device.id, desired, GATEWAY)));
    for (const child of [one!, two!])
      expect(await service.status(child.id, 'failed')).toMatchObject({
        error: { code: 'HASH_MISMATCH', retriable: true },
      });
    server.put('/1.5.9', wrong.bytes);
    await Promise.all(
      documents.map((desired) => service.publish(desired.device.id, { ...desired, attempt: 2, revision: 2 }, GATEWAY)),
    );
    for (const child of [one!, two!]) expect(await service.status(child.id, 'installed')).toMatchObject({ attempt: 2 });
  });

  it('reports CHILD_UNREACHABLE, which is tried again, and keeps the download for that', async () => {
    const [child] = await connected(1);
    const desired = await install(child!, { gate: 'hold' });
    await service.status(child!.id, 'downloaded');
    child!.isReachable = false;
    await service.publish(child!.id, { ...desired, revision: 2, gate: 'go' }, GATEWAY);
    const failed = await service.status(child!.id, 'failed');
    expect(failed.error).toMatchObject({ code: 'CHILD_UNREACHABLE', retriable: true });
    expect(mayRetry({ code: 'CHILD_UNREACHABLE', message: '', retriable: true })).toBe(true);
    child!.isReachable = true;
    await service.publish(child!.id, { ...desired, revision: 3, attempt: 2, gate: 'go' }, GATEWAY);
    expect(await service.status(child!.id, 'installed')).toMatchObject({ attempt: 2 });
    expect(server.requests).toHaveLength(1);
  });

  it('splits its hello by the limit of 8 KiB, and names every child', async () => {
    const children = await connected(80);
    await service.until(() => new Set(told().map(({ device }) => device)).size === 80, 'all children in the hellos');
    const hellos = service.hellos(GATEWAY);
    expect(new Set(hellos.map(({ msgId }) => msgId)).size).toBeGreaterThan(1);
    for (const hello of hellos) expect(print(hello).length).toBeLessThanOrEqual(MAX_PAYLOAD_BYTES);
    expect(children.every((child) => told().some(({ device }) => device === child.id))).toBe(true);
  });

  it('knows children by an alias: the answer to its hello says whose id it is, also after a restart', async () => {
    const [child] = await connected(1, 'alias');
    expect(told()[0]).toMatchObject({ device: 'node-1' });
    await service.until(() => gateway.agent().childState('node-1'), 'the id of node-1');
    await install(child!, { device: { id: child!.id, aliases: [] } });
    await service.status(child!.id, 'installed');
    service.aliases = {};
    await gateway.agent().stop();
    const before = service.hellos(GATEWAY).length;
    await gateway.boot();
    await service.until(() => service.hellos(GATEWAY).length > before, 'the hello after the restart');
    expect(service.hellos(GATEWAY).at(-1)?.children?.[0]).toMatchObject({
      device: child!.id,
      slots: { firmware: { version: '1.5.0' } },
    });
  });

  it('knows a child by the aliases of its document where that comes first', async () => {
    gateway = await testGateway(service.url, 1, 'alias');
    const [child] = gateway.children;
    await install(child!);
    await gateway.boot();
    await service.status(child!.id, 'installed');
  });

  it('does not answer for a device that is not its child', async () => {
    await connected(1);
    const stranger = documentFor(file, { device: { id: 'someone', aliases: [] } });
    await service.publish('someone', stranger, GATEWAY);
    await service.until(
      () => gateway.events.find(({ phase, detail }) => phase === 'refused' && detail.includes('someone')),
      'the note in the diary',
    );
    expect(service.statuses('someone')).toEqual([]);
  });

  it('stops for a child that moved to another gateway, but finishes what is already being installed', async () => {
    const [waiting, installing] = await connected(2);
    let go: () => void = () => undefined;
    installing!.during = new Promise<void>((done) => (go = done));
    await install(waiting!, { gate: 'hold' });
    await install(installing!);
    await service.status(waiting!.id, 'downloaded');
    await service.status(installing!.id, 'installing');
    for (const child of [waiting!, installing!]) await service.clear(child.id, 'firmware', GATEWAY);
    await service.status(waiting!.id, 'canceled');
    await service.until(
      () => service.statuses(installing!.id).find(({ error }) => error?.code === 'CANCEL_TOO_LATE'),
      'CANCEL_TOO_LATE',
    );
    go();
    await service.status(installing!.id, 'installed');
    expect(waiting!.pushes).toEqual([]);
  });

  it("learns from the answer to a child's hello that it moved to another gateway meanwhile", async () => {
    const [child] = await connected(1);
    await install(child!, { gate: 'hold' });
    await service.status(child!.id, 'downloaded');
    service.strangers.add(child!.id);
    gateway.agent().disconnect();
    await service.status(child!.id, 'canceled');
    await service.until(
      () => gateway.agent().childState(child!.id)?.slots['firmware']?.job === null,
      'the work to be given up',
    );
  });

  it('continues a push after a restart, and each child gets the whole content', async () => {
    const children = await connected(3);
    let go: () => void = () => undefined;
    for (const child of children) child.during = new Promise<void>((done) => (go = done));
    await Promise.all(children.map((child) => install(child)));
    for (const child of children) await service.status(child.id, 'installing');
    const off = gateway.agent().shutOff();
    for (const child of children) child.isReachable = false; // the power is gone: no push ends
    go();
    for (const child of children) child.during = Promise.reject(new Error('gone'));
    await Promise.race([off, Promise.allSettled(children.map((child) => child.during))]);
    for (const child of children) Object.assign(child, { isReachable: true, during: Promise.resolve() });
    await gateway.boot();
    for (const child of children) {
      await service.status(child.id, 'installed');
      expect(await digestOf(child.files.currentPath('firmware'))).toBe(file.sha256);
      expect(await child.files.journal()).toHaveLength(1);
    }
    expect(server.requests.filter(({ status }) => status === 200)).toHaveLength(1);
  });
});
