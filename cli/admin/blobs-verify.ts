import { conditionOf, type Condition } from '../../adapters/blobs/copy.js';
import { readReadyContents, type ReadyContent } from '../../store/db/snapshot.js';
import { sayLacking } from './copy-contents.js';
import { sizeOf, withBlobs, withDatabase, type Context, type ExitCode } from './context.js';

/** Reads and hashes every content that a ready firmware refers to, in the store in use. */
export async function blobsVerify(context: Context): Promise<ExitCode> {
  const { store: name } = context.settings.blobs;
  const contents = await withDatabase(context, readReadyContents);
  const bad: { content: ReadyContent; why: Exclude<Condition, 'good'> }[] = [];
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
  return bad.length === 0 ? 0 : 2;
}
