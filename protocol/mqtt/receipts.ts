import { fits, statusReceipt, VERSION, type Ack, type UpMessage } from './payloads.js';
import { ackTopic } from './topics.js';

/** What became of the report about one device. */
export interface Reported {
  readonly deviceId: string;
  readonly result: Ack['result'];
  /** What is to be in work on it, by slot: what it holds beyond this was withdrawn while it was away. */
  readonly open?: NonNullable<Ack['open']>;
}

/** What became of a message: a gateway's hello is about itself and about each child that it names. */
export interface Outcome {
  readonly own: Reported;
  readonly children: readonly Reported[];
  /** Alias → id, of the children that are this gateway's: an alias of another's child is no business of its own. */
  readonly names: Readonly<Record<string, string>>;
}

/** An ack, and the topic of the device that was reported on. */
export interface Receipt {
  readonly topic: string;
  readonly ack: Ack;
}

/** Terminal statuses are acknowledged on `down/ack`; the device repeats them until it sees that. */
const TERMINAL: ReadonlySet<string> = new Set(['installed', 'failed', 'rejected', 'canceled']);

/**
 * The receipts that are due for a message by MQTT, each to the topic of the device that was reported on: a gateway's
 * hello has one for the gateway, and one for each child that it names, for only there can stand what is to be in work
 * on the child.
 */
export function receiptsOf(message: UpMessage, outcome: Outcome): Receipt[] {
  if (message.type === 'status' && !TERMINAL.has(message.body.state)) return [];
  const ack = ackOf(message, outcome);
  if (ack === undefined) return [];
  const topic = ackTopic(message);
  if (message.type !== 'hello') return [{ topic, ack }];
  const { msgId } = message.body;
  const children = outcome.children.map((one) => ({
    topic: ackTopic({ ...message, device: one.deviceId }),
    ack: helloAck(msgId, one),
  }));
  return [{ topic, ack }, ...children];
}

/** What a hello or a status is answered, of the device that it is about; undefined for other messages. */
export function ackOf(message: UpMessage, { own, names }: Outcome): Ack | undefined {
  if (message.type === 'status') return { v: VERSION, for: statusReceipt(message.body), result: own.result };
  return message.type === 'hello' ? named(helloAck(message.body.msgId, own), names) : undefined;
}

function helloAck(msgId: string, { result, open }: Reported): Ack {
  return { v: VERSION, for: msgId, result, ...(open === undefined ? {} : { open }) };
}

/**
 * Where all names together would be too much for one message, none are given: the gateway splits its hello and asks
 * again.
 */
function named(ack: Ack, children: Readonly<Record<string, string>>): Ack {
  const whole = { ...ack, children };
  return Object.keys(children).length > 0 && fits(whole) ? whole : ack;
}
