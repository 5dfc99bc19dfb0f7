import { DdiRefusal } from '../../../protocol/ddi/errors.js';
import { printArtifact } from '../../../protocol/ddi/print.js';
import { readAction, type DdiAction } from '../../../store/commands/ddi-actions.js';
import type { Call } from '../../http/route.js';
import { noSuchAction, numberIn, withController, type DdiServices } from './controllers.js';
import { DownloadProgress } from './download-progress.js';
import { awaitsConfirmation, fileOf, offerOf, oldHashes } from './offers.js';
import type { DdiAnswer } from './respond.js';
import { serveFile } from './transfers.js';

const MD5_ENDING = '.MD5SUM';

interface Found {
  readonly tenantId: string;
  readonly base: string;
  readonly action: DdiAction;
}

/** A module is an action here: each is one chunk with one file. */
function findModule(services: DdiServices, call: Call, isOpen: (action: DdiAction) => boolean): Promise<Found> {
  const number = numberIn(call);
  return withController(services, call, async (tx, { controller, base }) => {
    const { tenantId, deviceId } = controller;
    const action = await readAction(tx, tenantId, deviceId, number);
    const waits = action?.isActive === true && awaitsConfirmation(controller, action);
    if (!action || waits || !isOpen(action)) throw noSuchAction(number);
    return { tenantId, base, action };
  });
}

/** R10: the one file of an action, as a list. */
export async function listArtifacts(services: DdiServices, call: Call): Promise<DdiAnswer> {
  const { tenantId, base, action } = await findModule(
    services,
    call,
    ({ isActive, state }) => isActive || state === 'installed' || state === 'confirming',
  );
  const { artifact, number } = await offerOf(services, tenantId, action);
  return { body: [printArtifact(base, number, artifact)] };
}

/** R10: the file itself, or what `md5sum` would print of it. */
export async function download(services: DdiServices, call: Call): Promise<'handled'> {
  const { request, response } = call;
  const found = await findModule(services, call, ({ isActive }) => isActive);
  const { firmware } = found.action;
  const [fileName, asked] = [fileOf(firmware), call.params['fileName'] ?? ''];
  if (asked !== fileName && asked !== `${fileName}${MD5_ENDING}`)
    throw new DdiRefusal(404, `action ${found.action.number} has no file of that name; its file is ${fileName}`);
  if (!firmware.isThere) throw new DdiRefusal(410, 'the firmware was deleted');
  const hashes = await oldHashes(services, found.tenantId, firmware);
  if (asked !== fileName) {
    response.set({
      'Content-Type': 'text/plain',
      'Content-Disposition': `attachment;filename=${fileName}${MD5_ENDING}`,
    });
    response.end(`${hashes.md5}  ${fileName}`);
    return 'handled';
  }
  const file = { fileName, ...hashes, sha256: firmware.sha256, size: firmware.size, updatedAt: firmware.updatedAt };
  const progress = new DownloadProgress(services, found.tenantId, found.action);
  if (request.method === 'GET') await progress.begin();
  try {
    if ((await serveFile(services, call, file, (upTo) => progress.reach(upTo))) === 'missing') {
      services.log.error({ sha256: firmware.sha256 }, 'a blob is missing in the store');
      throw new DdiRefusal(410, 'the bytes of this artifact are gone', 'artifact.binaryDeleted');
    }
  } finally {
    progress.end();
  }
  return 'handled';
}
