import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { generate, parser as packetParser } from 'mqtt-packet';
import { until } from '../support/until.js';
import { testDevice, type TestDevice } from './device.js';

describe('An agent at a broker that never answers its SUBSCRIBE', () => {
  let server: Server;
  let device: TestDevice;
  const sockets = new Set<Socket>();
  let subscribes = 0;
  let isAnswering = false;
  beforeEach(async () => {
    subscribes = 0;
    isAnswering = false;
    // Accepts every connection, answers every ping: only the SUBACK does not come.
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      const parser = packetParser();
      parser.on('packet', (packet) => {
        if (packet.cmd === 'connect') socket.write(generate({ cmd: 'connack', returnCode: 0, sessionPresent: false }));
        if (packet.cmd === 'pingreq') socket.write(generate({ cmd: 'pingresp' }));
        if (packet.cmd !== 'subscribe') return;
        subscribes += 1;
        if (isAnswering) socket.write(generate({ cmd: 'suback', messageId: packet.messageId ?? 1, granted: [1] }));
      });
      socket.on('data', (bytes) => parser.parse(bytes));
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    device = await testDevice(`mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  afterEach(async () => {
    await device.end();
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((done) => server.close(() => done()));
  });

  it('gives the connection up after a time, says why, connects again, and is well when the answer comes', async () => {
    await device.boot();
    await until('a second try', () => subscribes >= 2);
    expect(device.events).toContainEqual(
      expect.objectContaining({ phase: 'disconnected', detail: expect.stringMatching(/did not answer the SUBSCRIBE/) }),
    );
    expect(device.events.map(({ phase }) => phase)).not.toContain('connected');
    isAnswering = true;
    await until('the connection', () => device.events.some(({ phase }) => phase === 'connected'));
  });
});
