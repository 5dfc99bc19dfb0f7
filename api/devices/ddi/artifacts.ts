import { DdiRefusal } from '../../../protocol/ddi/errors.js';
import { printArtifact } from '../../../protocol/ddi/print.js';
import type { InstallationEvent } from '../../../domain/installation/events.js';
import { readAction, type DdiAction } from '../../../store/commands/ddi-actions.js';
import { report } from '../../../store/commands/report.js';
import { asTenant } from '../../../store/db/transaction.js';
import type { Call } from '../../http/route.js';
import { noSuchAction, numberIn, withController, type DdiServices } from './controllers.js';
import { awaitsConfirmation, fileOf, offerOf, oldHashes } from './offers.js';
import type { DdiAnswer } from './respond.js';
import { serveFile } from './transfers.js';

/** How often a running download is written: it is no history (docs/architecture.md §2). */
const PROGRESS_EVERY_MS = 2_000;
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
  const progress = new DownloadProgress(services, found);
  if (request.method === 'GET') await progress.begin();
  try {
    if ((await serveFile(services, call, file, (upTo) => progress.reach(upTo))) === 'missing') {
      services.log.error({ sha256: firmware.sha256 }, 'a blob is missing in the store');
      throw new DdiRefusal(410, 'the bytes of this artifact are gone', 'artifact.binaryDeleted');
    }
  } finally {
    await progress.end();
  }
  return 'handled';
}

/**
 * How far a device has got with its download, as the service sees it: most clients say nothing of it. It keeps the
 * deadline of the download moving, and tells a device that installs from one that still downloads.
 */
class DownloadProgress {
  private upTo = 0;
  private written = 0;
  private writtenAt = performance.now();
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly services: DdiServices,
    private readonly found: Found,
  ) {}

  /** The first request of an action says that it downloads. */
  async begin(): Promise<void> {
    const { state } = this.found.action;
    if (state === 'delivered' || state === 'accepted' || state === 'deferred') await this.say({ type: 'downloading' });
  }

  /** @returns what the last bytes wait for: that it is written that the device has all. */
  reach(upTo: number): Promise<void> | undefined {
    this.upTo = Math.max(this.upTo, upTo);
    const isAll = this.upTo === this.found.action.firmware.size;
    if (isAll ? this.written < this.upTo : performance.now() - this.writtenAt >= PROGRESS_EVERY_MS) this.write();
    return isAll ? this.writing : undefined;
  }

  async end(): Promise<void> {
    if (this.upTo > this.written) this.write();
    await this.writing;
  }

  private write(): void {
    const { size: total } = this.found.action.firmware;
    const bytes = (this.written = this.upTo);
    this.writtenAt = performance.now();
    this.writing = this.writing.then(() => this.say({ type: 'progress', phase: 'download', bytes, total }));
  }

  /** A download goes on where this fails: the next one says more. */
  private async say(event: InstallationEvent): Promise<void> {
    const { tenantId, action } = this.found;
    const { deviceId, installationId, attempt } = action;
    const by = { kind: 'device' as const, node: deviceId };
    const about = { deviceId, installationId, event: event.type === 'progress' ? event : { ...event, attempt }, by };
    try {
      await asTenant(this.services.pool, tenantId, (tx) => report(tx, tenantId, about, this.services.now()));
    } catch (error) {
      this.services.log.warn({ err: error, installationId }, 'the progress of a download was not written');
    }
  }
}
