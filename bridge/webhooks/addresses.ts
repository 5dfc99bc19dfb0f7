import { CONNREFUSED, NODATA, NOTFOUND, promises, REFUSED, type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { isPrivate } from '../../store/history/webhook-addresses.js';

export { isPrivate, privateLiteral } from '../../store/history/webhook-addresses.js';

/** A webhook that leads inside the operator's network; it is not sent. */
export class PrivateAddress extends Error {
  override readonly name = 'PrivateAddress';
  constructor(address: string) {
    super(
      `${address} is a loopback, link-local or private address, which webhooks do not lead to (SLIPWAY_WEBHOOKS_ALLOW_PRIVATE)`,
    );
  }
}

/** Of one question to one name server; some servers are asked twice. An attempt has 10 s in all. */
const PATIENCE = { timeout: 2_000, tries: 2 };
/** The name servers answered that there is no such name, or there are none to ask. */
const NOT_THERE: readonly string[] = [NOTFOUND, NODATA, CONNREFUSED, REFUSED];

/** How names of receivers are resolved. `servers`: those to ask, the system's where they are absent. */
export interface LookupOptions {
  readonly allowPrivate: boolean;
  readonly servers?: readonly string[];
}

/**
 * Resolves names by asking name servers, on no thread. The system's own way, getaddrinfo, keeps one of the two threads
 * that Node has for it until the servers of a name have answered: two names whose servers never do would keep those of
 * every other tenant waiting. It is asked only where private addresses are allowed, and only for what no name server
 * knows: names of /etc/hosts, or of a search domain.
 *
 * Without `allowPrivate` it gives public addresses only: what is connected to is what was looked at, however often the
 * name changes.
 */
export function lookupOf({ allowPrivate, servers }: LookupOptions): LookupFunction {
  return (hostname, options, callback) => {
    const answer = (addresses: readonly LookupAddress[]) => {
      const [first] = addresses;
      if (!first) callback(new PrivateAddress(hostname), '', 0);
      else if (options.all === true) callback(null, [...addresses]);
      else callback(null, first.address, first.family);
    };
    ask(hostname, servers)
      .catch((error: NodeJS.ErrnoException) => {
        if (!allowPrivate || !NOT_THERE.includes(error.code ?? '')) throw error;
        return promises.lookup(hostname, { all: true });
      })
      .then((found) => answer(allowPrivate ? found : found.filter(({ address }) => !isPrivate(address))))
      .catch((error: Error) => callback(error, '', 0));
  };
}

/** @throws what the name servers said of its IPv4 addresses, where there are none of either kind. */
async function ask(hostname: string, servers: readonly string[] | undefined): Promise<LookupAddress[]> {
  const resolver = new promises.Resolver(PATIENCE);
  if (servers) resolver.setServers(servers);
  const [four, six] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
  const found = [
    ...(four.status === 'fulfilled' ? four.value.map((address) => ({ address, family: 4 })) : []),
    ...(six.status === 'fulfilled' ? six.value.map((address) => ({ address, family: 6 })) : []),
  ];
  if (found.length === 0 && four.status === 'rejected') throw four.reason;
  return found;
}
