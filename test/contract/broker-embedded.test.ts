import { randomUUID } from 'node:crypto';
import { startEmbeddedBroker, type Admission } from '../../adapters/broker/embedded.js';
import { parseUsername } from '../../protocol/mqtt/access.js';
import type { BrokerUnderTest, Login } from './broker-clients.js';
import { brokerContract } from './broker.js';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined };

async function start(): Promise<BrokerUnderTest> {
  const valid = new Map<string, Admission>();
  const key = (login: Login) => `${login.username} ${login.password}`;
  const service = { username: 'slipway', password: randomUUID() };
  valid.set(key(service), { identity: { kind: 'service' } });
  const listen = (port: number) =>
    startEmbeddedBroker({
      host: '127.0.0.1',
      port,
      authenticate: async (username, password) => valid.get(key({ username, password })) ?? null,
      log: silent,
    });
  let broker = await listen(0);
  return {
    url: `mqtt://127.0.0.1:${broker.port}`,
    service,
    keepsOverRestart: false,
    async restart() {
      await broker.close();
      broker = await listen(broker.port);
    },
    async device(tenant, node) {
      const login = { username: `${tenant}/${node}`, password: randomUUID() };
      valid.set(key(login), { identity: { kind: 'device', tenant, node }, credentialId: login.password });
      return login;
    },
    async revoke(login) {
      valid.delete(key(login));
      const { tenant, node } = parseUsername(login.username)!;
      broker.disconnect(tenant, node, login.password);
    },
    close: () => broker.close(),
  };
}

brokerContract('The embedded broker', start);
