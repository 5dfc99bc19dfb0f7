import { BlockList, isIP } from 'node:net';

/**
 * Where no webhook leads unless a setting allows it: the creator of one could otherwise ask, with the service's own
 * hands, what only the service can reach (RFC 6890; the addresses by which IPv6 carries IPv4 are among it). Two lists:
 * in one, node takes an IPv4 address for its IPv6 form, and finds the subnet that holds all of these.
 */
const PRIVATE = { ipv4: new BlockList(), ipv6: new BlockList() };
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  PRIVATE.ipv4.addSubnet(net, prefix, 'ipv4');
for (const [net, prefix] of [
  ['::', 96],
  ['::ffff:0:0', 96],
  ['::ffff:0:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const)
  PRIVATE.ipv6.addSubnet(net, prefix, 'ipv6');

/** Whether the IP address is loopback, link-local or private; a text that is no address counts as private. */
export function isPrivate(address: string): boolean {
  const bare = address.replace(/%.*$/, '');
  const family = isIP(bare);
  if (family === 0) return true;
  return family === 4 ? PRIVATE.ipv4.check(bare, 'ipv4') : PRIVATE.ipv6.check(bare, 'ipv6');
}

/**
 * The host of a URL where it is an address itself, or `localhost`, and one where no webhook leads: it can be refused
 * before anything is sent. Every spelling of an address (`0x7f.1`, `2130706433`) is one: WHATWG URL reads them.
 * @returns undefined for public addresses, and for names: what they lead to is known when it is connected to.
 */
export function privateLiteral(url: string): string | undefined {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (host === 'localhost' || host.endsWith('.localhost')) return host;
  return isIP(host) !== 0 && isPrivate(host) ? host : undefined;
}
