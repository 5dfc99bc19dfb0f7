import { paired } from '../../domain/pairs.js';
import { wantsDocument } from '../../domain/installation/process-status.js';
import type { DeviceAggregate } from '../../domain/installation/device-aggregate.js';
import { fits, statusReceipt, VERSION, type Ack, type UpMessage } from '../../protocol/mqtt/payloads.js';
import { ackTopic } from '../../protocol/mqtt/topics.js';
import type { Recorded, Report } from '../../store/record.js';
import { childrenOf } from './reports.js';

/** An ack, and the topic of the device that was reported on. */
export interface Receipt {
  readonly topic: string;
  readonly ack: Ack;
}

/** Terminal statuses are acknowledged on `down/ack`; the device repeats them until it sees that. */
const TERMINAL: ReadonlySet<string> = new Set(['installed', 'failed', 'rejected', 'canceled']);

/**
 * The receipts that are due for a message, each to the topic of the device that was reported on: a gateway's hello has
 * one for the gateway, and one for each child that it names, for only there can stand what is to be in work on the
 * child. `recorded` are the answers to its reports, its own first.
 */
export function receiptsOf(
  message: UpMessage,
  reports: readonly Report[],
  recorded: readonly Recorded[],
  aliases: ReadonlyMap<string, string>,
): Receipt[] {
  const own = recorded[0];
  if (!own) return [];
  const topic = ackTopic(message);
  if (message.type === 'status') {
    return TERMINAL.has(message.body.state)
      ? [{ topic, ack: { v: VERSION, for: statusReceipt(message.body), result: resultOf(own) } }]
      : [];
  }
  if (message.type !== 'hello') return [];
  const receipt = (one: Recorded): Ack => ({
    v: VERSION,
    for: message.body.msgId,
    result: resultOf(one),
    ...(one.outcome === 'refused' ? {} : { open: openOf(one.aggregate) }),
  });
  const children = paired(reports, recorded)
    .slice(1)
    .map(([{ deviceId }, one]) => ({
      topic: ackTopic({ ...message, device: deviceId }),
      ack: receipt(one),
    }));
  return [{ topic, ack: named(receipt(own), namesOf(message, reports, recorded, aliases)) }, ...children];
}

/** Alias → id, of the children that are this gateway's: an alias of another's child is no business of its own. */
function namesOf(
  message: UpMessage & { type: 'hello' },
  reports: readonly Report[],
  recorded: readonly Recorded[],
  aliases: ReadonlyMap<string, string>,
): Record<string, string> {
  const own = new Set(
    reports.flatMap(({ deviceId }, index) => (recorded[index]?.outcome === 'refused' ? [] : [deviceId])),
  );
  return Object.fromEntries(
    childrenOf(message, aliases)
      .filter((child) => own.has(child.id))
      .flatMap((child) => child.names.map((name) => [name, child.id])),
  );
}

/**
 * Where all names together would be too much for one message, none are given: the gateway splits its hello and asks
 * again.
 */
function named(ack: Ack, children: Record<string, string>): Ack {
  const whole = { ...ack, children };
  return Object.keys(children).length > 0 && fits(whole) ? whole : ack;
}

/** What is to be in work, by slot: what a device holds beyond this was withdrawn while it was away. */
function openOf(aggregate: DeviceAggregate): NonNullable<Ack['open']> {
  return Object.fromEntries(
    Object.values(aggregate.installations)
      .filter(wantsDocument)
      .map((one) => [one.slot, { installationId: one.id, revision: one.revision }]),
  );
}

function resultOf(recorded: Recorded): Ack['result'] {
  if (recorded.outcome !== 'refused') return 'ok';
  switch (recorded.reason) {
    case 'forbidden':
      return 'forbidden';
    case 'unknown_device':
    case 'unknown_installation':
    case 'unknown_attempt':
      return 'unknown';
    case 'stale_attempt':
    case 'ended':
    case 'wrong_slot':
    case 'too_late':
      return 'stale';
  }
}
