import type { Request } from 'express';
import { DomainError } from '../../domain/errors.js';
import { wantsDocument } from '../../domain/installation/process-status.js';
import { installationDownloadUrl } from '../../protocol/http/download-links.js';
import { isUnchanged } from '../../protocol/http/ranges.js';
import { documentOf, type PrintableDocument } from '../../protocol/mqtt/document.js';
import { desiredTopic } from '../../protocol/mqtt/topics.js';
import { notePoll } from '../../store/commands/polls.js';
import { REFUSAL_SENTENCES } from '../../store/commands/refusal-sentences.js';
import type { Tx } from '../../store/db/pool.js';
import { keepDiagnostics } from '../../store/fleet/diagnostics.js';
import { ancestorsOf } from '../../store/fleet/gateways.js';
import { deviceKey } from '../../store/db/keys.js';
import { readDesired } from '../../store/installations/desired.js';
import type { SlotView } from '../../store/installations/to-send.js';
import { record } from '../../store/record.js';
import { linkSigner } from '../http/links.js';
import type { Answer, Call, Principal, Services } from '../http/route.js';
import type { Waits } from './waits.js';

/** Below what proxies and load balancers allow a request to take, often 60 s. */
const MOST_WAIT_MS = 50_000;
/** A device that waited counts as online for so long after (docs/contracts/device-mqtt.md, "The HTTP twin"). */
export const LINGER_MS = 120_000;

type Asked = Call<{ device?: string; slot?: string }, { wait?: number }>;

/** Whose document is asked for, and by whom. */
interface About {
  readonly tenantId: string;
  readonly node: string;
  readonly device: string;
}

/** What is shown of one look. */
interface Look {
  readonly key: string;
  /** undefined = nothing is desired. */
  readonly etag: string | undefined;
  readonly body: unknown;
  /** Value of Slipway-Cmd; '' = nothing is wanted. */
  readonly wanted: string;
}

/** Answers what a device should see, at once or when that changes. */
export class DesiredAnswers {
  private readonly signer: ReturnType<typeof linkSigner>;

  constructor(
    private readonly services: Services,
    private readonly waits: Waits,
    private readonly identify: (request: Request) => Promise<Principal>,
  ) {
    this.signer = linkSigner(services.pool);
  }

  async answer(call: Asked): Promise<Answer> {
    const { principal, params, query, request, response } = call;
    const { tenantId, subject: node } = principal;
    const about = { tenantId, node, device: params.device ?? node };
    const waitMs = Math.min(query.wait ?? 0, MOST_WAIT_MS);
    const until = performance.now() + waitMs;
    const refused = await call.inTenant((tx) => this.admit(tx, about, waitMs, params.slot));
    if (refused) throw refused;
    const known = request.headers['if-none-match'];
    const wait = waitMs > 0 ? this.waits.begin({ tenantId, deviceId: about.device }) : undefined;
    const gone = () => wait?.close();
    response.once('close', gone);
    try {
      const first = await this.look(call, about);
      let now = first;
      while (wait && !isNews(now, known) && now.wanted === first.wanted) {
        if (!(await wait.change(now.key, until - performance.now()))) break;
        // A token that was revoked meanwhile gets no document.
        await this.identify(request);
        now = await this.look(call, about);
      }
      return print(now, known);
    } finally {
      response.off('close', gone);
      wait?.close();
    }
  }

  /** Notes that the device is there. @returns why it may not ask; committed before it waits */
  private async admit(
    tx: Tx,
    { tenantId, node, device }: About,
    waitMs: number,
    slot: string | undefined,
  ): Promise<DomainError | undefined> {
    const now = this.services.now();
    await record(tx, [{ tenantId, deviceId: node, from: { kind: 'device', node }, kind: 'sign_of_life' }], now);
    if (waitMs > 0) await notePoll(tx, { tenantId, deviceId: node }, now + waitMs + LINGER_MS);
    if (device === node) return undefined;
    const ancestors = await ancestorsOf(tx, [{ tenantId, deviceId: device }]);
    if (ancestors.get(deviceKey(tenantId, device))?.includes(node)) return undefined;
    const reason = (await readDesired(tx, { tenantId, deviceId: device })) ? 'forbidden' : 'unknown_device';
    const detail = REFUSAL_SENTENCES[reason] ?? reason;
    const topic = desiredTopic({ tenant: tenantId, node, device }, slot ?? 'all');
    await keepDiagnostics(tx, [{ tenantId, deviceId: node, at: now, reason, detail, topic }]);
    return new DomainError(reason === 'forbidden' ? 'DEVICE_FOREIGN' : 'DEVICE_NOT_FOUND', detail);
  }

  private look({ inTenant, params }: Asked, { tenantId, node, device }: About): Promise<Look> {
    return inTenant(async (tx): Promise<Look> => {
      const found = await readDesired(tx, { tenantId, deviceId: device });
      if (!found) throw new DomainError('DEVICE_NOT_FOUND', `device "${device}" does not exist`);
      const { key, view } = found;
      // Another one serves the child: what it is to do stands there.
      if (view.node !== node) return { key, etag: undefined, body: undefined, wanted: '' };
      const wanted = commandsIn(view);
      const document = await this.documentIn(view);
      if (document === undefined || (params.slot !== undefined && params.slot !== document.slot))
        return { key, etag: undefined, body: undefined, wanted };
      return params.slot === undefined
        ? { key, etag: `"${document.slot}:${document.revision}"`, body: { [document.slot]: document }, wanted }
        : { key, etag: `"${document.revision}"`, body: document, wanted };
    });
  }

  private async documentIn(view: SlotView): Promise<PrintableDocument | undefined> {
    const { installation, firmware, tenantId, deviceId, aliases } = view;
    if (!installation || !firmware || !wantsDocument(installation)) return undefined;
    const url = installationDownloadUrl(this.services.publicUrl, await this.signer(), tenantId, installation.id);
    return documentOf({ installation, firmware, device: { id: deviceId, aliases }, url });
  }
}

/** What MQTT sends as `down/cmd`, as long as it is wanted. */
function commandsIn({ installation, wantsHello }: SlotView): string {
  const cancel = installation !== undefined && installation.cancel !== null && installation.endedAt === null;
  return [...(cancel ? ['cancel'] : []), ...(wantsHello ? ['hello'] : [])].join(', ');
}

/** Whether the device does not know it yet, also that there is nothing any more. */
function isNews({ etag }: Look, known: string | undefined): boolean {
  return etag === undefined ? known !== undefined : !isUnchanged(known, etag);
}

function print({ etag, body, wanted }: Look, known: string | undefined): Answer {
  const headers = {
    ...(etag === undefined ? {} : { ETag: etag }),
    ...(wanted === '' ? {} : { 'Slipway-Cmd': wanted }),
    'Cache-Control': 'no-store',
  };
  if (etag === undefined) return { status: 204, headers };
  return isUnchanged(known, etag) ? { status: 304, headers } : { status: 200, body, headers };
}
