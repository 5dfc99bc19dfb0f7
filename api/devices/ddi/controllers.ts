import { createHash, timingSafeEqual } from 'node:crypto';
import type { Request } from 'express';
import { DdiRefusal } from '../../../protocol/ddi/errors.js';
import { baseUrl } from '../../../protocol/ddi/print.js';
import {
  readController,
  readDdiTerms,
  type Controller,
  type DdiTerms,
} from '../../../store/commands/ddi-controller.js';
import { admitByGateway, registerController } from '../../../store/commands/ddi-devices.js';
import type { Tx } from '../../../store/db/pool.js';
import { asTenant } from '../../../store/db/transaction.js';
import type { Call, Services } from '../../http/route.js';
import { SEEN_LATELY_MS, type Sightings } from './sightings.js';
import type { TenantNames } from './tenant-names.js';

/** What the handlers of this interface stand on. */
export interface DdiServices extends Services {
  readonly tenantNames: TenantNames;
  readonly sightings: Sightings;
}

/** A device that was let in. */
export interface Admitted {
  readonly controller: Controller;
  /** What all its links begin with. */
  readonly base: string;
}

/** `creates`: a device that is unknown may appear, where the tenant allows it. */
export interface Admission {
  readonly creates?: boolean;
}

/**
 * Lets a device in and works for it, in one transaction of its tenant. May run `work` again after a deadlock.
 * @throws DdiRefusal 401 without a body, whatever is wrong: which devices there are cannot be found out; 404 where a
 * gateway asks for a device that does not exist
 */
export async function withController<T>(
  services: DdiServices,
  { params, request }: Pick<Call, 'params' | 'request'>,
  work: (tx: Tx, admitted: Admitted) => Promise<T>,
  { creates = false }: Admission = {},
): Promise<T> {
  const { tenant = '', controllerId = '' } = params;
  if (controllerId.length > 256 || /\s/.test(controllerId))
    throw new DdiRefusal(400, 'the id of a controller has 1 to 256 characters, and no white space');
  const tenantId = await services.tenantNames.find(tenant);
  if (tenantId === undefined) throw new DdiRefusal(401);
  const claim = claimOf(request);
  return asTenant(services.pool, tenantId, async (tx) => {
    const known = await readController(tx, tenantId, controllerId, claim.targetToken);
    const isItself = known?.isItsToken === true;
    const terms = known?.terms ?? (await readDdiTerms(tx, tenantId));
    if (!isItself && !isGateway(claim, terms) && !isProxy(request, controllerId, terms)) throw new DdiRefusal(401);
    const controller = known ?? (await appeared(tx, tenantId, controllerId, terms, creates));
    if (!controller.hasCredential) await admitByGateway(tx, tenantId, controller.deviceId);
    const done = await work(tx, { controller, base: baseUrl(services.publicUrl, tenant, controllerId) });
    noteSeen(services, controller);
    return done;
  });
}

/** While something is to be done, whether the device was heard after the offer decides what became of it. */
function noteSeen({ sightings, now }: DdiServices, { tenantId, deviceId, ...seen }: Controller): void {
  const lately = seen.isOnline && seen.lastSeenAt !== null && now() - seen.lastSeenAt < SEEN_LATELY_MS;
  if (!lately || seen.current?.state === 'delivered') sightings.note({ tenantId, deviceId });
}

async function appeared(
  tx: Tx,
  tenantId: string,
  controllerId: string,
  { registersAs }: DdiTerms,
  creates: boolean,
): Promise<Controller> {
  if (!creates || registersAs === null)
    throw new DdiRefusal(404, `there is no device ${controllerId}, and none is made of it here`);
  await registerController(tx, tenantId, controllerId, registersAs);
  const made = await readController(tx, tenantId, controllerId, null);
  if (!made) throw new Error(`device ${controllerId} was made, and is not there`);
  return { ...made, hasCredential: true };
}

interface Claim {
  /** SHA-256 of what was sent as it. */
  readonly targetToken: Buffer | null;
  readonly gatewayToken: Buffer | null;
}

/** The scheme is case-sensitive, one blank follows: as hawkBit has it. */
function claimOf({ headers: { authorization = '' } }: Request): Claim {
  const hash = (scheme: string): Buffer | null =>
    authorization.startsWith(`${scheme} `) && authorization.length > scheme.length + 1
      ? createHash('sha256')
          .update(authorization.slice(scheme.length + 1))
          .digest()
      : null;
  return { targetToken: hash('TargetToken'), gatewayToken: hash('GatewayToken') };
}

function isGateway({ gatewayToken }: Claim, { gatewayHash }: DdiTerms): boolean {
  return gatewayToken !== null && gatewayHash !== null && timingSafeEqual(gatewayToken, gatewayHash);
}

/** hawkBit's older names of the two headers are set by proxies in the field. */
const CONTROLLER_HEADERS = ['x-controller-id', 'x-ssl-client-cn'];
const AUTHORITY_HEADER = /^(x-authority|x-ssl-issuer-hash)(-\d+)?$/;

/**
 * Whether a proxy that is trusted (SLIPWAY_TRUSTED_PROXIES) vouches for this device: it has a certificate with this id
 * as its name, of an issuer that the tenant knows.
 */
function isProxy(request: Request, controllerId: string, { authorities }: DdiTerms): boolean {
  if (authorities.length === 0) return false;
  const trusts = request.app.get('trust proxy fn') as (address: string | undefined, hop: number) => boolean;
  if (!trusts(request.socket.remoteAddress, 0)) return false;
  const { headers } = request;
  if (!CONTROLLER_HEADERS.some((name) => headers[name] === controllerId)) return false;
  return Object.entries(headers).some(
    ([name, value]) =>
      AUTHORITY_HEADER.test(name) && typeof value === 'string' && authorities.includes(value.trim().toLowerCase()),
  );
}

/** The action that a path names. @throws DdiRefusal 404 for what is no number: it names none */
export function numberIn({ params }: Pick<Call, 'params'>): number {
  const text = params['number'] ?? '';
  const number = /^[1-9]\d{0,9}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > 2_147_483_647) throw noSuchAction(text);
  return number;
}

/** Unknown, or of another device. */
export function noSuchAction(number: number | string): DdiRefusal {
  return new DdiRefusal(404, `this device has no action ${String(number).slice(0, 40)}`);
}
