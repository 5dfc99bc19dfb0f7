import { createHash } from 'node:crypto';
import type { Offer } from '../../../protocol/ddi/print.js';
import { DdiRefusal } from '../../../protocol/ddi/errors.js';
import { fileNameOf } from '../../../protocol/ddi/file-names.js';
import { keepHashes, type DdiAction, type DdiFirmware } from '../../../store/commands/ddi-actions.js';
import type { Controller, CurrentAction } from '../../../store/commands/ddi-controller.js';
import { asTenant } from '../../../store/db/transaction.js';
import type { Services } from '../../http/route.js';

/** What a device is to see of the action that is open on it. At its gate, with the content, it has nothing to do. */
export type Showing = 'deploy' | 'confirm' | 'cancel' | 'nothing';

/** Whether a person at the device has yet to agree. */
export function awaitsConfirmation(
  { needsConfirmation, autoConfirm }: Pick<Controller, 'needsConfirmation' | 'autoConfirm'>,
  { state }: Pick<CurrentAction, 'state'>,
): boolean {
  return needsConfirmation && autoConfirm === null && state === 'delivered';
}

/** What of this action a poll shows: exactly one thing, never two. */
export function showing(controller: Controller, current: CurrentAction): Showing {
  if (current.isCanceling) return 'cancel';
  if (awaitsConfirmation(controller, current)) return 'confirm';
  return current.gate === 'hold' && current.state === 'downloaded' ? 'nothing' : 'deploy';
}

/** SHA-1 and MD5, lower-case hex. */
export interface OldHashes {
  readonly sha1: string;
  readonly md5: string;
}

/** By the content's SHA-256: devices that ask together read it once. */
const making = new Map<string, Promise<OldHashes>>();

/**
 * SHA-1 and MD5 of a firmware's bytes. Those that were uploaded before these were made with the upload are read once,
 * by the first device that asks.
 * @throws DdiRefusal 410 where the bytes are gone
 */
export async function oldHashes(services: Services, tenantId: string, firmware: DdiFirmware): Promise<OldHashes> {
  const { sha1, md5, sha256 } = firmware;
  if (sha1 !== null && md5 !== null) return { sha1, md5 };
  const known = making.get(sha256);
  if (known) return known;
  const made = readHashes(services, sha256).finally(() => making.delete(sha256));
  making.set(sha256, made);
  const hashes = await made;
  await asTenant(services.pool, tenantId, (tx) => keepHashes(tx, tenantId, firmware.id, hashes));
  return hashes;
}

async function readHashes({ blobs }: Services, sha256: string): Promise<OldHashes> {
  const bytes = await blobs.open(sha256);
  if (!bytes) throw new DdiRefusal(410, 'the bytes of this artifact are gone');
  const [sha1, md5] = [createHash('sha1'), createHash('md5')];
  for await (const chunk of bytes) {
    sha1.update(chunk as Buffer);
    md5.update(chunk as Buffer);
  }
  return { sha1: sha1.digest('hex'), md5: md5.digest('hex') };
}

/** The name under which an action's file is offered. */
export function fileOf({ name, version, fileName }: DdiFirmware): string {
  return fileNameOf(name, version, fileName ?? undefined);
}

/** An action as it is printed. */
export async function offerOf(services: Services, tenantId: string, action: DdiAction): Promise<Offer> {
  const { firmware } = action;
  const { sha1, md5 } = await oldHashes(services, tenantId, firmware);
  return {
    number: action.number,
    revision: action.revision,
    gate: action.gate,
    part: action.part ?? action.slot,
    name: firmware.name,
    version: firmware.version || firmware.name,
    artifact: { fileName: fileOf(firmware), size: firmware.size, sha1, md5, sha256: firmware.sha256 },
  };
}
