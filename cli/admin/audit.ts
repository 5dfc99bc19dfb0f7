import { generateKeyPairSync } from 'node:crypto';
import { renameSync } from 'node:fs';
import { checkpointText, parsePrivateKey, rawPublicKey, signedNote } from '../../api/audit/note.js';
import { originOf } from '../../api/audit/signing-key.js';
import { keyInUse, logId, replaceKey } from '../../store/audit/keys.js';
import { rootHash } from '../../store/audit/merkle.js';
import { nodesOf, treeSize } from '../../store/audit/tiles.js';
import { verifyHistory } from '../../store/audit/verify.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asService } from '../../store/db/transaction.js';
import { readFileIfAny, writePrivateFile } from '../../workers/embedded/private-file.js';
import { withDatabase, type Context, type ExitCode } from './context.js';

/** Checks the history of every tenant against its tree and its chain; names the first entry that is not as sealed. */
export async function auditVerify(context: Context): Promise<ExitCode> {
  return withPool(context, async (pool) => {
    const { rows } = await asService(pool, (tx) => tx.query<{ id: string }>('SELECT id FROM tenants ORDER BY id'));
    let broken = 0;
    for (const { id } of rows) {
      const verified = await asService(pool, (tx) => verifyHistory(tx, id));
      if (verified.broken === undefined) context.say(`${id}: ${verified.entries} entries are as they were sealed`);
      else {
        broken += 1;
        context.say(
          `${id}: entry ${verified.broken.entry} is ${verified.broken.because}; the ones before it are whole`,
        );
      }
    }
    return broken === 0 ? 0 : 2;
  });
}

/**
 * Makes another key sign the audit. Each tree is signed as it stands by both, so that a verifier that trusts the old
 * key learns the new one. Broken off, it is finished by the next call.
 */
export async function auditRotateKey(context: Context): Promise<ExitCode> {
  return withPool(context, async (pool) => {
    const path = context.settings.auditKeyFile;
    const beside = `${path}.next`;
    const inUse = await keyInUse(pool);
    if (inUse === undefined) throw new Error('no key signs the audit yet: the API makes it when it is first asked');
    const waiting = readFileIfAny(beside);
    if (waiting === undefined || !rawPublicKey(parsePrivateKey(waiting)).equals(inUse)) {
      const pem = readFileIfAny(path);
      if (pem === undefined) throw new Error(`${path} is missing: put the file of a backup there`);
      const old = parsePrivateKey(pem);
      if (!rawPublicKey(old).equals(inUse))
        throw new Error(`${path} holds another key than the one that signs: put its file there`);
      const { privateKey } = generateKeyPairSync('ed25519');
      writePrivateFile(beside, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
      const log = await logId(pool);
      await replaceKey(pool, inUse, rawPublicKey(privateKey), async (tx, tenantId) => {
        const size = await treeSize(tx, tenantId);
        const origin = originOf(log, tenantId);
        const text = checkpointText(origin, size, await rootHash(size, nodesOf(tx, tenantId)));
        return signedNote(text, origin, [old, privateKey]);
      });
    }
    renameSync(beside, path);
    context.say(`${path} holds the new key. Copy it to every machine that runs an API, and make a backup.`);
    return 0;
  });
}

function withPool(context: Context, work: (pool: Pool) => Promise<ExitCode>): Promise<ExitCode> {
  return withDatabase(context, async (databaseUrl) => {
    const pool = openPool({ databaseUrl, name: 'admin', max: 1 });
    try {
      return await work(pool);
    } finally {
      await pool.end();
    }
  });
}
