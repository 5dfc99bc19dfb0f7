import { readReadyContents } from '../../store/db/snapshot.js';
import { copyContents, sayCopied, sayLacking } from './copy-contents.js';
import { withBlobs, withDatabase, type Context, type ExitCode, type StoreName } from './context.js';

/**
 * Copies every content that a ready firmware refers to from one blob store into the other, checked by its hash. What is
 * there already is left alone, so that it may be broken off and run again, and run once more after the service was
 * stopped for the change.
 * @param thorough what is there is read and hashed as well, and replaced where it is wrong.
 */
export async function blobsCopy(
  context: Context,
  from: StoreName,
  to: StoreName,
  thorough: boolean,
): Promise<ExitCode> {
  if (from === to) throw new Error(`--from and --to are both "${from}": there is nothing to copy`);
  const contents = await withDatabase(context, readReadyContents);
  const result = await withBlobs(context, from, (source) =>
    withBlobs(context, to, (target) => copyContents(source, target, contents, thorough)),
  );
  sayCopied(context, `${contents.length} blobs of ready firmware, from ${from} to ${to}`, result);
  if (result.lacking.length === 0) return 0;
  sayLacking(context, from, result.lacking);
  context.say(
    `${result.lacking.length} could not be copied. The rest is in ${to}; run this again when they are restored.`,
  );
  return 2;
}
