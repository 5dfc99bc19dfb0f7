import { conditionOf, type Condition } from '../../adapters/blobs/copy.js';
import type { BlobStore } from '../../adapters/blobs/port.js';
import { readReadyContents, type ReadyContent } from '../../store/db/snapshot.js';
import { copyContents, sayLacking } from './copy-contents.js';
import { sizeOf, withBlobs, withDatabase, type Context, type ExitCode, type StoreName } from './context.js';

interface Bad {
  readonly content: ReadyContent;
  readonly why: Exclude<Condition, 'good'>;
}

/** What is done about what is not as it should be. */
export interface Healing {
  /** Damaged bytes are taken away: a download then says that they are missing, instead of serving what is wrong. */
  readonly isWanted: boolean;
  /** The store that has good ones, to copy from; absent = there is none. */
  readonly from?: StoreName;
}

/** Reads and hashes every content that a ready firmware refers to, in the store in use. */
export async function blobsVerify(context: Context, healing: Healing = { isWanted: false }): Promise<ExitCode> {
  const { store: name } = context.settings.blobs;
  if (healing.from === name) throw new Error(`--from is the store in use: "${name}" cannot heal itself`);
  const contents = await withDatabase(context, readReadyContents);
  const bad: Bad[] = [];
  await withBlobs(context, name, async (store) => {
    for (const content of contents) {
      const condition = await conditionOf(store, content);
      if (condition !== 'good') bad.push({ content, why: condition });
    }
  });
  const bytes = contents.reduce((sum, { size }) => sum + size, 0);
  context.say(
    `${contents.length} blobs of ready firmware (${sizeOf(bytes)}) in ${name}: ${contents.length - bad.length} are good.`,
  );
  sayLacking(context, name, bad);
  if (bad.length === 0) return 0;
  if (!healing.isWanted) return 2;
  return withBlobs(context, name, (store) => heal(context, store, bad, healing.from));
}

async function heal(context: Context, store: BlobStore, bad: readonly Bad[], from?: StoreName): Promise<ExitCode> {
  const left = from === undefined ? bad : await healedBy(context, store, bad, from);
  for (const { content } of left) {
    // Looked at again: the same bytes may have been uploaded meanwhile, which heals them.
    if ((await conditionOf(store, content)) === 'damaged') await store.remove(content.sha256);
    context.say(
      `  needs its bytes: ${content.sha256} of "${content.firmware}"; an upload of the same bytes, as a firmware of any name, heals it`,
    );
  }
  return left.length === 0 ? 0 : 2;
}

/** @returns what the other store could not heal */
async function healedBy(context: Context, store: BlobStore, bad: readonly Bad[], from: StoreName): Promise<Bad[]> {
  const contents = bad.map(({ content }) => content);
  const { copied, there, lacking } = await withBlobs(context, from, (source) =>
    copyContents(source, store, contents, true),
  );
  context.say(`  healed from ${from}: ${copied + there} of ${bad.length}`);
  const lacks = new Set(lacking.map(({ content }) => content.sha256));
  return bad.filter(({ content }) => lacks.has(content.sha256));
}
