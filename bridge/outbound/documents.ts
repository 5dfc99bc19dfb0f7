import { wantsDocument } from '../../domain/installation/process-status.js';
import { documentOf } from '../../protocol/mqtt/document.js';
import { print, VERSION } from '../../protocol/mqtt/payloads.js';
import { cmdTopic, desiredTopic } from '../../protocol/mqtt/topics.js';
import type { SlotView } from '../../store/installations/to-send.js';

/** One message to a device. An empty payload clears what is retained. */
export interface Outgoing {
  topic: string;
  payload: Buffer;
  retain: boolean;
}

/**
 * What one slot's device should see now: where its document stands, where none may stand any more, and the impulses
 * that are due.
 */
export interface SlotPlan {
  /** The node whose device is to see a document; null = none. */
  publishedUnder: string | null;
  /** Nodes under which none stands any more once this plan was carried out. */
  clearedUnder: readonly string[];
  revision: number | null;
  /** A revision that stands elsewhere, so that the document must be above it before it is published; null = it is. */
  raisedRevision: number | null;
  /** In this order. */
  messages: readonly Outgoing[];
}

/**
 * Pure: the present rows → what is to be sent. The same rows give the same bytes, so that sending twice is sending
 * once.
 */
export function planSlot(view: SlotView, downloadUrl: (tenantId: string, installationId: string) => string): SlotPlan {
  const { installation, node, published } = view;
  const shown = installation !== undefined && node !== undefined && wantsDocument(installation);
  const raisedRevision = shown ? standsElsewhere(view, node, installation.revision) : null;
  const publishes = shown && raisedRevision === null;
  const clearedUnder = published.map((one) => one.node).filter((other) => !shown || other !== node);
  const messages: Outgoing[] = clearedUnder.map((other) => ({
    topic: desiredTopic(addressOf(view, other), view.slot),
    payload: EMPTY,
    retain: true,
  }));
  if (publishes)
    messages.push({
      topic: desiredTopic(addressOf(view, node), view.slot),
      payload: documentIn(view, downloadUrl),
      retain: true,
    });
  return {
    publishedUnder: publishes ? node : null,
    clearedUnder,
    revision: publishes ? installation.revision : null,
    raisedRevision,
    messages: [...messages, ...impulses(view)],
  };
}

/**
 * The highest revision that stands where it outnumbers the document: the same or a higher one under another node (the
 * child has moved, and the new node must not take this for a repetition), or a higher one under this node (at a broker
 * that remembers more than a restored database).
 */
function standsElsewhere({ published }: SlotView, node: string, revision: number): number | null {
  const above = published.flatMap((one) =>
    one.revision !== null && (one.node === node ? one.revision > revision : one.revision >= revision)
      ? [one.revision]
      : [],
  );
  return above.length === 0 ? null : Math.max(...above);
}

const EMPTY = Buffer.alloc(0);

function documentIn(view: SlotView, downloadUrl: (tenantId: string, installationId: string) => string): Buffer {
  const { installation, firmware, deviceId, aliases } = view;
  if (!installation || !firmware)
    throw new Error(`slot ${view.slot} of device ${view.deviceId} has nothing to publish`);
  const url = downloadUrl(view.tenantId, installation.id);
  return print(documentOf({ installation, firmware, device: { id: deviceId, aliases }, url }));
}

/**
 * `cancel` while a cancellation waits for its answer, `hello` while one is wanted and none was heard. Repeated as often
 * as this runs: harmless.
 */
function impulses(view: SlotView): Outgoing[] {
  const { installation, node } = view;
  if (node === undefined) return [];
  const topic = cmdTopic(addressOf(view, node));
  const messages: Outgoing[] = [];
  if (installation && installation.cancel !== null && installation.endedAt === null) {
    const { reason } = installation.cancel;
    messages.push({
      topic,
      payload: print({ v: VERSION, cmd: 'cancel', installationId: installation.id, ...(reason ? { reason } : {}) }),
      retain: false,
    });
  }
  if (view.wantsHello) messages.push({ topic, payload: print({ v: VERSION, cmd: 'hello' }), retain: false });
  return messages;
}

function addressOf(view: SlotView, node: string): { tenant: string; node: string; device: string } {
  return { tenant: view.tenantId, node, device: view.deviceId };
}
