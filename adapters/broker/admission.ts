import type { X509Certificate } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import type { AedesOptions, AuthenticateError, Client, ConnectPacket } from 'aedes';
import type { Admission } from './guard.js';

/** For a password or a certificate to be checked. */
const CHECK_TIMEOUT_MS = 10_000;
/** CONNACK's way to say: come again. */
export const SERVER_UNAVAILABLE = 3;
const BAD_CREDENTIALS = 4;

/** Who a client is, by what it shows; null = unknown. Each throws where it cannot be known now. */
export interface Authenticators {
  password(username: string, password: string): Promise<Admission | null>;
  certificate(certificate: X509Certificate): Promise<Admission | null>;
}

/**
 * Who a client is, settled before aedes looks at its session: from then on the client's id is its own within its
 * identity.
 * @param take is called with who was let in. `go` says that it may go on, or why not, with the return code of CONNACK.
 */
export function admission(
  by: Authenticators,
  take: (client: Client, admission: Admission, go: (refused: AuthenticateError | undefined) => void) => void,
): Required<Pick<AedesOptions, 'preConnect' | 'authenticate'>> {
  const connects = new WeakMap<Client, ConnectPacket>();
  return {
    preConnect(client, packet, done) {
      connects.set(client, packet);
      done(null, true);
    },
    authenticate(client, username, password, done) {
      void admit(by, client, username, password).then((found) => {
        if (client.closed) return;
        if (!('identity' in found)) return done(found, false);
        const { identity } = found;
        const writable = client as { id: string; clean: boolean };
        writable.id = `${identity.kind === 'service' ? 'service' : `device/${identity.tenant}/${identity.node}`}/${client.id}`;
        const packet = connects.get(client);
        if (identity.kind === 'device') writable.clean = true;
        if (identity.kind === 'device' && packet) packet.clean = true;
        take(client, found, (refused) => (refused ? done(refused, false) : done(null, true)));
      });
    },
  };
}

/** A password goes before a certificate: a gateway may have both. */
async function admit(
  by: Authenticators,
  client: Client,
  username: string | undefined,
  password: Buffer | undefined,
): Promise<Admission | AuthenticateError> {
  if (username !== undefined && password !== undefined) {
    const name = JSON.stringify(username.slice(0, 130));
    return settled(by.password(username, password.toString('utf8')), `user name or password for ${name}`);
  }
  const certificate = client.conn instanceof TLSSocket ? client.conn.getPeerX509Certificate() : undefined;
  if (certificate === undefined)
    return refusal('a user name and a password, or a certificate, are needed', BAD_CREDENTIALS);
  return settled(by.certificate(certificate), `certificate of ${JSON.stringify(certificate.subject.slice(0, 200))}`);
}

async function settled(asked: Promise<Admission | null>, what: string): Promise<Admission | AuthenticateError> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>(
    (_resolve, reject) =>
      (timer = setTimeout(reject, CHECK_TIMEOUT_MS, new Error('it was not checked in time')).unref()),
  );
  try {
    return (await Promise.race([asked, late])) ?? refusal(`bad ${what}`, BAD_CREDENTIALS);
  } catch (error) {
    return refusal(`the ${what} cannot be checked now: ${(error as Error).message}`, SERVER_UNAVAILABLE);
  } finally {
    clearTimeout(timer);
  }
}

/** With a return code of CONNACK (MQTT 3.1.1 §3.2.2.3). */
export function refusal(sentence: string, returnCode: number): AuthenticateError {
  return Object.assign(new Error(sentence), { returnCode });
}
