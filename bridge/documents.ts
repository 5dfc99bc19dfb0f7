import { wantsDocument } from '../domain/installation/standing.js';
import { print, VERSION } from '../protocol/mqtt/payloads.js';
import { cmdTopic, desiredTopic } from '../protocol/mqtt/topics.js';
import type { SlotView } from '../store/sending.js';

/** One message to a device. An empty payload clears what is retained. */
export interface Outgoing {
  topic: string;
  payload: Buffer;
  retain: boolean;
}

/** What one slot's device should see now: where its document stands, where none may stand any more, and the impulses that are due. */
export interface SlotPlan {
  /** Nodes under which the broker may retain a document once this plan was carried out. */
  nodes: readonly string[];
  revision: number | null;
  /** In this order. */
  messages: readonly Outgoing[];
}

/** How often a device may try a download again by itself before it reports a failure, which costs an attempt. */
const RETRY_DOWNLOAD = 3;

/** Pure: the present rows → what is to be sent. The same rows give the same bytes, so that sending twice is sending once. */
export function planSlot(view: SlotView, downloadUrl: (tenantId: string, installationId: string) => string): SlotPlan {
  const { installation, node } = view;
  const shown = installation !== undefined && node !== undefined && wantsDocument(installation);
  const messages: Outgoing[] = [];
  for (const other of view.publishedNodes) {
    if (!shown || other !== node) messages.push({ topic: desiredTopic(addressOf(view, other), view.slot), payload: EMPTY, retain: true });
  }
  if (shown) messages.push({ topic: desiredTopic(addressOf(view, node), view.slot), payload: documentOf(view, downloadUrl), retain: true });
  return { nodes: shown ? [node] : [], revision: shown ? installation.revision : null, messages: [...messages, ...impulses(view)] };
}

const EMPTY = Buffer.alloc(0);

function documentOf(view: SlotView, downloadUrl: (tenantId: string, installationId: string) => string): Buffer {
  const { installation: i, firmware } = view;
  if (!i || !firmware || i.revision === null) throw new Error(`slot ${view.slot} of device ${view.deviceId} has nothing to publish`);
  return print({
    v: VERSION,
    revision: i.revision,
    installationId: i.id,
    attempt: i.attempt,
    issuedAt: iso(i.stateSince),
    ...(i.notBefore === null ? {} : { notBefore: iso(i.notBefore) }),
    ...(i.deadline === null ? {} : { deadline: iso(i.deadline) }),
    slot: i.slot,
    device: { id: view.deviceId, aliases: [...view.aliases] },
    firmware: { id: firmware.id, name: firmware.name, version: i.version ?? firmware.name, size: firmware.size, sha256: i.sha256, contentType: firmware.contentType },
    download: { url: downloadUrl(view.tenantId, i.id) },
    gate: i.gate,
    policy: {
      maxDeferSeconds: Math.floor(i.policy.maxDefer / 1000),
      confirmWithinSeconds: Math.ceil(i.policy.timeouts.confirm / 1000),
      retryDownload: RETRY_DOWNLOAD,
    },
  });
}

/** `cancel` while a cancellation waits for its answer, `hello` while one is wanted and none was heard. Repeated as often as this runs: harmless. */
function impulses(view: SlotView): Outgoing[] {
  const { installation, node } = view;
  if (node === undefined) return [];
  const topic = cmdTopic(addressOf(view, node));
  const messages: Outgoing[] = [];
  if (installation && installation.cancel !== null && installation.endedAt === null) {
    const { reason } = installation.cancel;
    messages.push({ topic, payload: print({ v: VERSION, cmd: 'cancel', installationId: installation.id, ...(reason ? { reason } : {}) }), retain: false });
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
