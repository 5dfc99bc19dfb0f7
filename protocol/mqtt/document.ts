import type { Installation } from '../../domain/installation/installation.js';
import type { desired } from './down.js';
import { fits, VERSION } from './payloads.js';
import type { z } from 'zod';

/** How often a device may try a download again by itself before it reports a failure, which costs an attempt. */
const RETRY_DOWNLOAD = 3;

/** What a document is made of. `size` is bytes; `url` is signed for this installation. */
export interface DocumentFacts {
  readonly installation: Installation;
  readonly firmware: {
    readonly id: string;
    readonly name: string;
    readonly size: number;
    readonly contentType: string;
  };
  readonly device: { readonly id: string; readonly aliases: readonly string[] };
  readonly url: string;
}

/** A document that says what is to be installed in a slot, as it is printed. */
export type PrintableDocument = z.input<typeof desired>;

/**
 * The same facts give the same document, so that sending twice is sending once. @throws Error where the installation
 * was offered in no document yet
 */
export function documentOf({ installation: i, firmware, device, url }: DocumentFacts): PrintableDocument {
  const { revision } = i;
  if (revision === null) throw new Error(`installation ${i.id} has no document`);
  // A document must name a version, and a firmware may have none, or an empty one.
  const document = (aliases: readonly string[]): PrintableDocument => ({
    v: VERSION,
    revision,
    installationId: i.id,
    attempt: i.attempt,
    issuedAt: iso(i.stateSince),
    ...(i.notBefore === null ? {} : { notBefore: iso(i.notBefore) }),
    ...(i.deadline === null ? {} : { deadline: iso(i.deadline) }),
    slot: i.slot,
    device: { id: device.id, aliases: [...aliases] },
    firmware: {
      id: firmware.id,
      name: firmware.name,
      version: i.version || firmware.name,
      size: firmware.size,
      sha256: i.sha256,
      contentType: firmware.contentType,
    },
    download: { url },
    gate: i.gate,
    policy: {
      maxDeferSeconds: Math.floor(i.policy.maxDefer / 1000),
      confirmWithinSeconds: Math.ceil(i.policy.timeouts.confirm / 1000),
      retryDownload: RETRY_DOWNLOAD,
    },
  });
  // Aliases are a help and may be many; the id is what counts.
  return fits(document(device.aliases)) ? document(device.aliases) : document([]);
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
