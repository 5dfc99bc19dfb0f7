import { createServer } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { probeTemporal } from '../../adapters/engine/probe.js';
import { freePort } from '../../workers/embedded/ports.js';

const address = process.env['SLIPWAY_TEST_TEMPORAL_ADDRESS']!;

describe('A look at Temporal', () => {
  it('accepts a server that answers and knows the namespace', async () => {
    expect(await probeTemporal({ address }, 5_000)).toBeUndefined();
    expect(await probeTemporal({ address }, 5_000, 'default')).toBeUndefined();
  });

  it('says that a namespace is not known', async () => {
    expect(await probeTemporal({ address }, 5_000, 'nowhere')).toMatch(/^status 5: .*nowhere.* not found/i);
  });

  it('reports a refused connection, and an answer that does not come in time', async () => {
    expect(await probeTemporal({ address: `127.0.0.1:${await freePort()}` }, 5_000)).toMatch(/ECONNREFUSED/);
    // It reads, or it would never see that the other side has gone.
    const silent = createServer((socket) => void socket.resume());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    expect(await probeTemporal({ address: `127.0.0.1:${port}` }, 200)).toBe('no answer within 200 ms');
    silent.close();
  });

  it('says that a server without TLS was asked with it', async () => {
    expect(await probeTemporal({ address, tls: {} }, 5_000)).toMatch(/\S/);
  });
});
