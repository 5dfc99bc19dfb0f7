import { connectMqtt, type MqttConnection } from '../../bridge/mqtt/connection.js';
import { parseUsername } from '../../protocol/mqtt/access.js';
import { print } from '../../protocol/mqtt/payloads.js';
import { upTopic } from '../../protocol/mqtt/topics.js';
import { endWithParent, tellParent } from '../child.js';
import { SLOT, type FromPublishers, type Reporter, type ToPublishers } from '../messages.js';
import { now } from '../wait.js';

/**
 * The process of those who report as fast as they are answered. It uses the bridge's own small client: MQTT.js would be
 * what is measured.
 */

/** How long a device puts an installation off, in its reports: longer than the run. */
const DEFER_MS = 600_000;
const CONNECT_AT_ONCE = 50;

const tell = (message: FromPublishers) => tellParent(message);
const connected: { reporter: Reporter; connection: MqttConnection; seq: number }[] = [];

process.on('message', (message: ToPublishers) => {
  const done = message.do === 'connect' ? connectAll(message.url, message.reporters) : publish(message);
  done.catch((error: unknown) => {
    process.stderr.write(`${(error as Error).stack}\n`);
    process.exit(1);
  });
});
endWithParent();

async function connectAll(url: string, reporters: readonly Reporter[]): Promise<void> {
  for (const one of connected.splice(0)) one.connection.end();
  for (let at = 0; at < reporters.length; at += CONNECT_AT_ONCE) {
    connected.push(
      ...(await Promise.all(
        reporters.slice(at, at + CONNECT_AT_ONCE).map(async (reporter) => ({
          reporter,
          seq: 0,
          connection: await connectMqtt({
            url,
            username: reporter.username,
            password: reporter.password,
            clientId: reporter.deviceId,
            clean: true,
            keepaliveSeconds: 60,
            connectTimeoutMs: 15_000,
            maxPacketSize: 64 * 1024,
          }),
        })),
      )),
    );
  }
  tell({ said: 'connected' });
}

async function publish({ warmMs, ms, inFlight }: Extract<ToPublishers, { do: 'publish' }>): Promise<void> {
  let [answered, total] = [0, 0];
  const from = now() + warmMs;
  const to = from + ms;
  await Promise.all(
    connected.flatMap((one) =>
      Array.from({ length: inFlight }, async () => {
        const { tenant, node } = parseUsername(one.reporter.username)!;
        const topic = upTopic({ tenant, node, device: node }, 'status');
        while (now() < to) {
          await one.connection.publish(topic, statusOf(one.reporter, (one.seq += 1)), { qos: 1, retain: false });
          const at = now();
          if (at >= from && at < to) answered += 1;
          total += 1;
        }
      }),
    ),
  );
  tell({ said: 'published', answered, from, to, total });
}

/**
 * Every other one marks the outbox, as in an installation's life: accepted brings the deadline forward, deferred puts
 * it off.
 */
function statusOf({ installationId }: Reporter, seq: number): Buffer {
  const at = Date.now();
  const state = seq % 2 === 0 ? { state: 'deferred', until: at + DEFER_MS } : { state: 'accepted' };
  return print({ v: 1, installationId, attempt: 1, seq, revision: 1, slot: SLOT, at, ...state });
}
