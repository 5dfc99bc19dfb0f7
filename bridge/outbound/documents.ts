import { wantsDocument } from '../../domain/installation/process-status.js';
import { fits, print, VERSION } from '../../protocol/mqtt/payloads.js';
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

/** How often a device may try a download again by itself before it reports a failure, which costs an attempt. */
const RETRY_DOWNLOAD = 3;

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
      payload: documentOf(view, downloadUrl),
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

function documentOf(view: SlotView, downloadUrl: (tenantId: string, installationId: string) => string): Buffer {
  const { installation: i, firmware } = view;
  if (!i || !firmware || i.revision === null)
    throw new Error(`slot ${view.slot} of device ${view.deviceId} has nothing to publish`);
  const { revision } = i;
  // A document must name a version, and a firmware may have none, or an empty one.
  const document = (aliases: readonly string[]) => ({
    v: VERSION as typeof VERSION,
    revision,
    installationId: i.id,
    attempt: i.attempt,
    issuedAt: iso(i.stateSince),
    ...(i.notBefore === null ? {} : { notBefore: iso(i.notBefore) }),
    ...(i.deadline === null ? {} : { deadline: iso(i.deadline) }),
    slot: i.slot,
    device: { id: view.deviceId, aliases: [...aliases] },
    firmware: {
      id: firmware.id,
      name: firmware.name,
      version: i.version || firmware.name,
      size: firmware.size,
      sha256: i.sha256,
      contentType: firmware.contentType,
    },
    download: { url: downloadUrl(view.tenantId, i.id) },
    gate: i.gate,
    policy: {
      maxDeferSeconds: Math.floor(i.policy.maxDefer / 1000),
      confirmWithinSeconds: Math.ceil(i.policy.timeouts.confirm / 1000),
      retryDownload: RETRY_DOWNLOAD,
    },
  });
  // Aliases are a help and may be many; the id is what counts.
  return fits(document(view.aliases)) ? print(document(view.aliases)) : print(document([]));
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

function iso(time: number): string {
  return new Date(time).toISOString();
}
