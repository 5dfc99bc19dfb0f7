import { copyBlob, type Condition, type Copied } from '../../adapters/blobs/copy.js';
import type { BlobStore } from '../../adapters/blobs/port.js';
import type { ReadyContent } from '../../store/db/snapshot.js';
import { sizeOf, type Context } from './context.js';

/** How many contents were copied, with their bytes, and how many the target had already. */
export interface CopiedContents {
  readonly copied: number;
  readonly bytes: number;
  readonly there: number;
  /** What the source does not have, or not as it should be. */
  readonly lacking: readonly { content: ReadyContent; why: 'missing' | 'damaged' }[];
}

/** One after the other: each is streamed with its own parts side by side already. */
export async function copyContents(
  from: BlobStore,
  to: BlobStore,
  contents: readonly ReadyContent[],
  thorough = false,
): Promise<CopiedContents> {
  const lacking: { content: ReadyContent; why: 'missing' | 'damaged' }[] = [];
  const counted: Record<Copied, number> = { copied: 0, there: 0, missing: 0, damaged: 0 };
  let bytes = 0;
  for (const content of contents) {
    const outcome = await copyBlob(from, to, content, thorough);
    counted[outcome] += 1;
    if (outcome === 'copied') bytes += content.size;
    if (outcome === 'missing' || outcome === 'damaged') lacking.push({ content, why: outcome });
  }
  return { copied: counted.copied, bytes, there: counted.there, lacking };
}

/** One line for a person. */
export function sayCopied({ say }: Context, what: string, { copied, bytes, there }: CopiedContents): void {
  say(`${what}: ${copied} copied (${sizeOf(bytes)}), ${there} there already.`);
}

/** A line for each content that is not there or not as it should be. */
export function sayLacking(
  { say }: Context,
  store: string,
  lacking: readonly { content: ReadyContent; why: Exclude<Condition, 'good'> }[],
): void {
  for (const { content, why } of lacking) say(`  ${why} in ${store}: ${content.sha256} of "${content.firmware}"`);
}
