import { lookup as resolve } from 'node:dns';
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

/**
 * Resolves a name to its public addresses only: what is connected to is what was looked at, however often the name
 * changes.
 */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  resolve(hostname, { ...options, all: true }, (error, found) => {
    const addresses = error ? [] : found.filter(({ address }) => !isPrivate(address));
    const [first] = addresses;
    const refused = error ?? (first ? null : new PrivateAddress(hostname));
    if (refused || !first) callback(refused, '', 0);
    else if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};
