import type { AedesOptions, AuthenticateError, Client, ConnectPacket } from 'aedes';
import type { Admission } from './guard.js';

/** For a password to be checked. */
const CHECK_TIMEOUT_MS = 10_000;
/** CONNACK's way to say: come again. */
export const SERVER_UNAVAILABLE = 3;
const BAD_CREDENTIALS = 4;

/**
 * Who a client is, settled before aedes looks at its session: from then on the client's id is its own within its
 * identity.
 * @param take is called with who was let in. `go` says that it may go on, or why not, with the return code of CONNACK.
 */
export function admission(
  authenticate: (username: string, password: string) => Promise<Admission | null>,
  take: (client: Client, admission: Admission, go: (refused: AuthenticateError | undefined) => void) => void,
): Required<Pick<AedesOptions, 'preConnect' | 'authenticate'>> {
  const connects = new WeakMap<Client, ConnectPacket>();
  return {
    preConnect(client, packet, done) {
      connects.set(client, packet);
      done(null, true);
    },
    authenticate(client, username, password, done) {
      void admit(authenticate, username, password).then((found) => {
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

async function admit(
  authenticate: (username: string, password: string) => Promise<Admission | null>,
  username: string | undefined,
  password: Buffer | undefined,
): Promise<Admission | AuthenticateError> {
  if (username === undefined || password === undefined)
    return refusal('a user name and a password are needed', BAD_CREDENTIALS);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>(
    (_resolve, reject) =>
      (timer = setTimeout(reject, CHECK_TIMEOUT_MS, new Error('the password was not checked in time')).unref()),
  );
  try {
    const found = await Promise.race([authenticate(username, password.toString('utf8')), late]);
    return found ?? refusal(`bad user name or password for ${JSON.stringify(username.slice(0, 130))}`, BAD_CREDENTIALS);
  } catch (error) {
    return refusal(
      `the password of ${JSON.stringify(username.slice(0, 130))} cannot be checked now: ${(error as Error).message}`,
      SERVER_UNAVAILABLE,
    );
  } finally {
    clearTimeout(timer);
  }
}

/** With a return code of CONNACK (MQTT 3.1.1 §3.2.2.3). */
export function refusal(sentence: string, returnCode: number): AuthenticateError {
  return Object.assign(new Error(sentence), { returnCode });
}
