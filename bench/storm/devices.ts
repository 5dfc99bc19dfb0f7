import { connectMqtt } from '../../bridge/mqtt/connection.js';
import { parseTopic, ackTopic, SERVICE_FILTER } from '../../protocol/mqtt/topics.js';
import { endWithParent, tellParent } from '../child.js';
import type { FromStorm, ToStorm } from '../messages.js';
import { now } from '../wait.js';
import { Storm } from './storm.js';

/**
 * The process of a storm: all devices, and what stands for the bridge, which answers each hello with its receipt. So
 * what is measured is the broker alone.
 */
const TELL_EVERY_MS = 20;
process.on('message', (message: ToStorm) => void run(message));
endWithParent();

async function run({ port, count }: ToStorm): Promise<void> {
  const service = await connectMqtt({
    url: `mqtt://127.0.0.1:${port}`,
    username: 'slipway',
    password: 'service',
    clientId: 'greeter',
    clean: true,
    keepaliveSeconds: 600,
    connectTimeoutMs: 10_000,
    maxPacketSize: 1024 * 1024,
  });
  service.onMessage((message) => {
    const parsed = parseTopic(message.topic);
    message.acknowledge();
    if (parsed?.type !== 'hello') return;
    service
      .publish(ackTopic(parsed), JSON.stringify({ v: 1, for: parsed.node, result: 'ok' }), { qos: 1, retain: false })
      .catch((error: Error) => process.stderr.write(`not greeted: ${error.message}\n`));
  });
  await service.subscribe([{ filter: SERVICE_FILTER, qos: 1 }]);
  const from = now();
  const storm = new Storm(port, count);
  setInterval(() => {
    const { greeted, failed } = storm;
    const message: FromStorm = { said: 'storm', greeted, failed, seconds: (now() - from) / 1_000 };
    tellParent(message);
  }, TELL_EVERY_MS);
}
