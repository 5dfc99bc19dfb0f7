import { createSocket, type Socket } from 'node:dgram';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { lookupOf, type LookupOptions } from '../../bridge/webhooks/addresses.js';

/** Answers names that begin with `public` or `private`, knows none that begin with `none`, and is silent on others. */
let server: Socket;
let servers: string[];
let asked = 0;
beforeAll(async () => {
  server = createSocket('udp4');
  server.on('message', (query, { port, address }) => {
    asked += 1;
    const name = query.toString('latin1', 13, 13 + query[12]!);
    const isV4 = query.readUInt16BE(query.indexOf(0, 12) + 1) === 1;
    const at = { public: [8, 8, 8, 8], private: [127, 0, 0, 1] }[name];
    if (!at && name !== 'none') return;
    const end = query.indexOf(0, 12) + 5;
    const header = Buffer.from([query[0]!, query[1]!, 0x81, at ? 0x80 : 0x83, 0, 1, 0, at && isV4 ? 1 : 0, 0, 0, 0, 0]);
    const record = at && isV4 ? [0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...at] : [];
    server.send(Buffer.concat([header, query.subarray(12, end), Buffer.from(record)]), port, address);
  });
  await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
  servers = [`127.0.0.1:${server.address().port}`];
});
afterAll(() => new Promise<void>((resolve) => void server.close(resolve)));

const resolve = (name: string, options: Partial<LookupOptions> = {}): Promise<unknown> =>
  new Promise((done) =>
    lookupOf({ allowPrivate: false, servers, ...options })(name, { all: true }, (error, found) => done(error ?? found)),
  );

describe('Names of receivers', () => {
  it('whose name servers never answer keep no other name waiting', async () => {
    const silent = Array.from({ length: 40 }, (_, n) => resolve(`silent.tenant-${n}.example`));
    const began = performance.now();
    expect(await resolve('public.example')).toEqual([{ address: '8.8.8.8', family: 4 }]);
    expect(performance.now() - began).toBeLessThan(1_500);
    for (const one of await Promise.all(silent)) expect(one).toMatchObject({ code: 'ETIMEOUT' });
  }, 60_000);

  it('lead to public addresses only, unless private ones are allowed', async () => {
    expect(await resolve('private.example')).toMatchObject({ name: 'PrivateAddress' });
    expect(await resolve('private.example', { allowPrivate: true })).toEqual([{ address: '127.0.0.1', family: 4 }]);
  });

  it('that no name server knows are the system’s, where private addresses are allowed', async () => {
    expect(await resolve('none.example')).toMatchObject({ code: 'ENOTFOUND' });
    const before = asked;
    const silent = await resolve('localhost', { allowPrivate: true, servers: ['127.0.0.1:1'] });
    expect(silent).toEqual(expect.arrayContaining([{ address: '127.0.0.1', family: 4 }]));
    expect(asked).toBe(before);
  }, 60_000);
});
