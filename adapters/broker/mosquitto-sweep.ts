import { randomUUID } from 'node:crypto';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { nodeUpFilter } from '../../protocol/mqtt/topics.js';

const CONNECT_TIMEOUT_MS = 5_000;
/** Each clears all that it finds; only the service could add to it meanwhile. */
const MAX_ROUNDS = 3;
/** Acknowledged together: mosquitto's own window. */
const AT_ONCE = 100;

/** A node whose device is gone, with a password that is in force, and that the device does not have. */
export interface Swept {
  readonly tenant: string;
  readonly node: string;
  readonly password: string;
}

/**
 * Clears what the devices of these nodes have retained. mosquitto cannot be told who may retain: under names of
 * children that it made up, a device may leave any number of messages, which nothing would find after it is deleted.
 *
 * The service may not write `up/*`, so each node's own login does it.
 * @param service as it connects; asked for at each call
 * @returns for each, in order: what failed; the same again may be done later. @throws where the broker is away
 */
export async function sweepRetained(
  url: string,
  nodes: readonly Swept[],
  service: () => Promise<IClientOptions>,
): Promise<(Error | undefined)[]> {
  if (nodes.length === 0) return [];
  const login = await service();
  const reader = await connect(url, login);
  try {
    const outcomes: (Error | undefined)[] = [];
    for (const one of nodes)
      outcomes.push(await sweep(url, one, reader, login).catch((error: unknown) => faultOf(error)));
    return outcomes;
  } finally {
    await reader.endAsync(true);
  }
}

function faultOf(cause: unknown): Error {
  return new Error(`what a deleted device retained could not be cleared: ${(cause as Error).message}`, { cause });
}

async function sweep(
  url: string,
  { tenant, node, password }: Swept,
  reader: MqttClient,
  login: IClientOptions,
): Promise<undefined> {
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const topics = await readRetained(reader, nodeUpFilter(tenant, node));
    if (topics.length === 0) return undefined;
    const writer = await connect(url, { ...login, username: `${tenant}/${node}`, password });
    try {
      for (let at = 0; at < topics.length; at += AT_ONCE)
        await Promise.all(
          topics.slice(at, at + AT_ONCE).map((topic) => writer.publishAsync(topic, '', { qos: 1, retain: true })),
        );
    } finally {
      await writer.endAsync(true);
    }
  }
  throw new Error('there is more each time');
}

/**
 * mosquitto queues what is retained before it answers the SUBSCRIBE, and QoS 0 leaves in the order of the queue: the
 * answer to a second one comes behind all of it.
 */
async function readRetained(reader: MqttClient, filter: string): Promise<string[]> {
  const topics = new Set<string>();
  const hear = (topic: string, payload: Buffer, { retain }: { retain: boolean }) => {
    if (retain && payload.length > 0) topics.add(topic);
  };
  reader.on('message', hear);
  try {
    await reader.subscribeAsync(filter, { qos: 0 });
    await reader.unsubscribeAsync(filter);
  } finally {
    reader.off('message', hear);
  }
  return [...topics];
}

/** For a moment, and beside all others. */
function connect(url: string, options: IClientOptions): Promise<MqttClient> {
  const clientId = `sweep-${randomUUID()}`;
  const once = { clientId, clean: true, reconnectPeriod: 0, connectTimeout: CONNECT_TIMEOUT_MS };
  return mqtt.connectAsync(url, { ...options, ...once }, false).then((client) => client.on('error', () => undefined));
}
