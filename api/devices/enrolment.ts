import type { Request } from 'express';
import { z } from 'zod';
import { DomainError } from '../../domain/errors.js';
import { envelope } from '../../protocol/http/envelope.js';
import { issued, newEnrolment, renewal, waiting } from '../../protocol/http/enrolments.js';
import { hashOf } from '../../store/db/api-keys.js';
import type { Tx } from '../../store/db/pool.js';
import { findEnrolmentToken } from '../../store/commands/enrolment-tokens.js';
import { enrol, renewCertificate, type Applicant, type Enrolled } from '../../store/commands/enrolments.js';
import type { RequestLimits } from '../http/rates.js';
import { answer, route, type Answer, type Call, type Principal, type Route, type Services } from '../http/route.js';
import { clientOf } from './client-certificates.js';
import type { Dialect } from './dialect.js';

/** How long a device waits before it asks again whether an operator said yes. */
const ASK_AGAIN_S = 60;
const EST = '/.well-known/est/{tenant}';
const PKCS7 = 'application/pkcs7-mime; smime-type=certs-only';
const estParams = z.object({ tenant: z.string() });
const tag = 'Enrolment';

/**
 * Devices that come by themselves: by a token of their batch, as JSON or by EST (RFC 7030), and their next certificate
 * by the present one (docs/contracts/trust.md, "Certificates and enrolment").
 */
export function enrolmentDialects(services: Services, limits: RequestLimits): readonly Dialect[] {
  const { authority, now } = services;

  async function applicantOf(request: Request, serial: string, aliases: readonly string[], csr: string) {
    const { publicKey } = await requestOf(csr);
    return { serial, aliases, publicKey, address: request.ip ?? null } satisfies Applicant;
  }
  async function requestOf(csr: string) {
    try {
      return await authority.readRequest(csr);
    } catch (error) {
      const detail = (error as Error).message;
      const facts = { errors: [{ pointer: '/csr', detail }] };
      throw new DomainError('DEVICE_CSR_INVALID', `csr ${detail}`, facts, { cause: error });
    }
  }
  const issue: typeof authority.issue = (name, key) => authority.issue(name, key);
  async function enrolled(
    call: Pick<Call, 'principal' | 'recordAct'>,
    tx: Tx,
    applicant: Applicant,
  ): Promise<Enrolled> {
    const { tenantId, subject } = call.principal;
    const outcome = await enrol(tx, { tenantId, id: subject }, applicant, issue, now());
    if (outcome.state === 'issued' && outcome.isNew)
      await call.recordAct(tx, undefined, { serial: applicant.serial, deviceId: outcome.deviceId }, outcome.id);
    return outcome;
  }
  async function given(deviceId: string, certificate: string) {
    const { mqttUrl } = services;
    return {
      deviceId,
      certificate,
      chain: [await authority.certificate()],
      ...(mqttUrl ? { mqttUrl } : {}),
      root: null,
    };
  }

  const byToken: Route[] = [
    route({
      tag,
      method: 'post',
      path: '/v1/enrolments',
      operationId: 'enrol',
      summary: 'Enrol by the token of a batch',
      description:
        'The same key gets the same answer again. A serial or alias that is bound already is refused with `ENROLMENT_REJECTED`.',
      permission: [],
      security: ['enrolmentToken'],
      body: newEnrolment,
      validationCode: 'REQUEST_VALIDATION',
      audit: { action: 'enrolment.issue', byHandler: true },
      answers: {
        201: { description: 'The certificate', schema: envelope(issued) },
        202: {
          description: 'An operator has to say yes; ask again after Retry-After',
          schema: envelope(waiting),
          headers: { 'Retry-After': 'Seconds' },
        },
        403: { description: 'The serial or an alias is bound already, or was rejected' },
      },
      async handle(call) {
        const { csr, serial, aliases = [] } = call.body;
        const applicant = await applicantOf(call.request, serial, aliases, csr);
        return call.answerOnce(async (tx) => {
          const outcome = await enrolled(call, tx, applicant);
          if (outcome.state === 'pending')
            return answer(202, { id: outcome.id, state: 'pending' }, { 'Retry-After': String(ASK_AGAIN_S) });
          return answer(201, await given(outcome.deviceId, outcome.certificate));
        });
      },
    }),
    estRoute(
      'simpleenroll',
      'enrolByEst',
      'EST: enrol by Basic authentication, serial and token',
      async (call, csr) => {
        const applicant = await applicantOf(call.request, serialOf(call.request), [], csr);
        const outcome = await call.inTenant((tx) => enrolled(call, tx, applicant));
        return outcome.state === 'pending' ? undefined : outcome.certificate;
      },
    ),
  ];
  const byCertificate: Route[] = [
    route({
      tag,
      method: 'post',
      path: '/v1/device/certificate',
      operationId: 'renewCertificate',
      summary: "A device's next certificate, by the present one",
      description: 'Over TLS with the present certificate, which may have expired within a year and was not revoked.',
      permission: [],
      security: ['mutualTls'],
      body: renewal,
      audit: { action: 'certificate.create', byHandler: true },
      answers: { 201: { description: 'The certificate', schema: envelope(issued) } },
      async handle(call) {
        const { publicKey } = await requestOf(call.body.csr);
        return call.answerOnce(async (tx) =>
          answer(201, await given(call.principal.subject, await renewed(call, tx, publicKey))),
        );
      },
    }),
    estRoute('simplereenroll', 'renewByEst', 'EST: the next certificate by the present one', async (call, csr) => {
      const { publicKey } = await requestOf(csr);
      return call.inTenant((tx) => renewed(call, tx, publicKey));
    }),
    route({
      tag,
      method: 'get',
      path: `${EST}/cacerts`,
      operationId: 'readEstAuthorities',
      summary: 'EST: the certificates of the authority',
      permission: null,
      params: estParams,
      answers: { 200: { description: 'PKCS #7, base64', contentType: PKCS7, schema: z.string() } },
      async handle({ response }) {
        return pkcs7(response, 200, authority.certsOnly([await authority.certificate()]));
      },
    }),
  ];

  async function renewed(call: Pick<Call, 'principal' | 'recordAct'>, tx: Tx, publicKey: Buffer): Promise<string> {
    const { tenantId, subject: deviceId } = call.principal;
    const { id, certificate } = await renewCertificate(tx, { tenantId, deviceId }, publicKey, issue);
    await call.recordAct(tx, undefined, { deviceId }, id);
    return certificate;
  }

  function estRoute(
    operation: string,
    operationId: string,
    summary: string,
    work: (call: Call, csr: string) => Promise<string | undefined>,
  ): Route {
    return route({
      tag,
      method: 'post',
      path: `${EST}/${operation}`,
      operationId,
      summary,
      permission: [],
      security: [operation === 'simpleenroll' ? 'enrolmentBasic' : 'mutualTls'],
      params: estParams,
      contentType: 'application/octet-stream',
      accepts: { 'application/pkcs10': 'MIIB…' },
      audit: { action: operation === 'simpleenroll' ? 'enrolment.issue' : 'certificate.create', byHandler: true },
      answers: {
        200: { description: 'PKCS #7, base64', contentType: PKCS7, schema: z.string() },
        ...(operation === 'simpleenroll'
          ? {
              202: { description: 'An operator has to say yes', headers: { 'Retry-After': 'Seconds' } },
              403: { description: 'The serial is bound already, or was rejected' },
            }
          : {}),
      },
      async handle(call) {
        assertTenant(call.principal, call.params.tenant);
        const certificate = await work(call, await smallBody(call.request));
        if (certificate === undefined) {
          call.response.set('Retry-After', String(ASK_AGAIN_S));
          return pkcs7(call.response, 202, '');
        }
        return pkcs7(call.response, 200, authority.certsOnly([certificate]));
      },
    });
  }

  return [
    {
      routes: byToken,
      identify(request) {
        limits.enrolment(request.ip ?? '');
        return enrolmentPrincipal(services, request);
      },
      sharesPaths: ['/v1/enrolments'],
      securitySchemes: {
        enrolmentToken: { type: 'http', scheme: 'bearer', description: 'An enrolment token, `slpe_…`' },
        enrolmentBasic: {
          type: 'http',
          scheme: 'basic',
          description: 'The serial as the user, the token as the password',
        },
      },
    },
    {
      routes: byCertificate,
      identify: (request) => clientOf(services, request, 'renewal'),
      securitySchemes: { mutualTls: { type: 'mutualTLS', description: 'The certificate of the device' } },
    },
  ];
}

/** A token is known by its hash; whether it may still be used is decided where its uses are counted. */
async function enrolmentPrincipal({ pool }: Services, request: Request): Promise<Principal> {
  const token = tokenOf(request);
  const found = token === undefined ? undefined : await findEnrolmentToken(pool, hashOf(token));
  if (!found)
    throw new DomainError(
      'ENROLMENT_TOKEN_INVALID',
      'send an enrolment token of this service: "Authorization: Bearer slpe_…"',
    );
  return {
    tenantId: found.tenantId,
    id: `enrolment-token:${found.id}`,
    permissions: [],
    kind: 'device',
    subject: found.id,
    name: 'enrolment',
    roles: [],
  };
}

function basicOf(request: Request): [user: string, password: string] | undefined {
  const coded = /^basic +([A-Za-z0-9+/=]{1,8192}) *$/i.exec(request.headers.authorization ?? '')?.[1];
  if (coded === undefined) return undefined;
  const text = Buffer.from(coded, 'base64').toString('utf8');
  const at = text.indexOf(':');
  return at < 0 ? undefined : [text.slice(0, at), text.slice(at + 1)];
}

function tokenOf(request: Request): string | undefined {
  return /^bearer +([\x21-\x7e]{1,512}) *$/i.exec(request.headers.authorization ?? '')?.[1] ?? basicOf(request)?.[1];
}

function serialOf(request: Request): string {
  const serial = basicOf(request)?.[0] ?? '';
  if (serial.length < 1 || [...serial].length > 255)
    throw new DomainError(
      'REQUEST_VALIDATION',
      'the user name of Basic is the serial of the device: 1 to 255 characters',
    );
  return serial;
}

/** A token or certificate works for its own tenant; that of the path is there for clients that know one address. */
function assertTenant(principal: Principal, tenant: string): void {
  if (principal.tenantId !== tenant)
    throw new DomainError('REQUEST_NOT_FOUND', `there is no tenant ${tenant.slice(0, 100)} for this token`);
}

const MAX_BODY = 16_384;

async function smallBody(request: Request): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MAX_BODY) throw new DomainError('REQUEST_TOO_LARGE', `a request has at most ${MAX_BODY} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('latin1');
}

function pkcs7(response: Call['response'], status: number, base64: string): Answer {
  response
    .status(status)
    .set({ 'Content-Type': PKCS7, 'Content-Transfer-Encoding': 'base64' })
    .end(base64.replaceAll(/(.{64})/g, '$1\n'));
  return { handled: true };
}
