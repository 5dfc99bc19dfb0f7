import { randomUUID } from 'node:crypto';
import { mosquittoAdmin } from '../../adapters/broker/mosquitto-admin.js';
import { parseUsername } from '../../protocol/mqtt/access.js';
import { TestedMosquitto } from '../support/mosquitto.js';
import type { BrokerUnderTest } from './broker-clients.js';
import { brokerContract } from './broker.js';

async function start(): Promise<BrokerUnderTest> {
  const broker = await TestedMosquitto.start();
  const admin = mosquittoAdmin(broker.url, async () => ({
    ...broker.service,
    clientId: `administrator-${process.pid}`,
  }));
  return {
    url: broker.url,
    service: broker.service,
    keepsOverRestart: true,
    restart: () => broker.restart('SIGTERM'),
    async device(tenant, node) {
      const password = randomUUID();
      await admin.bringUpToDate([{ tenant, node, known: true, valid: [{ id: password, reveal: () => password }] }]);
      return { username: `${tenant}/${node}`, password };
    },
    async revoke({ username }) {
      await admin.bringUpToDate([{ ...parseUsername(username)!, known: true, valid: [] }]);
    },
    async close() {
      await admin.close();
      await broker.close();
    },
  };
}

brokerContract("Debian's mosquitto", start);
