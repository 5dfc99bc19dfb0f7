import { startEmbeddedBroker } from '../../adapters/broker/embedded.js';
import { parseUsername } from '../../protocol/mqtt/access.js';
import { endWithParent, tellParent } from '../child.js';
import type { Listening } from '../messages.js';

/** The embedded broker alone: no bridge, no database behind the passwords. */
const log = {
  debug: () => undefined,
  info: () => undefined,
  warn: (facts: object, message: string) => void process.stderr.write(`${message} ${JSON.stringify(facts)}\n`),
};
const broker = await startEmbeddedBroker({
  host: '127.0.0.1',
  port: 0,
  log,
  authenticate: async (username) => {
    if (username === 'slipway') return { identity: { kind: 'service' } };
    const node = parseUsername(username);
    return node ? { identity: { kind: 'device', ...node } } : null;
  },
});
const message: Listening = { said: 'listening', port: broker.port };
tellParent(message);
endWithParent();
