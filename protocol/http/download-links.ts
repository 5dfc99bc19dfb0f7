/** Makes the signature of a text, URL-safe. */
export type Sign = (text: string) => string;

/**
 * Links that serve a blob without a token. They carry their right in themselves: an HMAC over path and query, as the
 * last query parameter (docs/contracts/device-mqtt.md, "Payloads"). Signed is the path from `/download/` on, so that a
 * proxy may serve it below another one.
 */
function signed(publicUrl: string, sign: Sign, path: string): string {
  return `${publicUrl}${path}${path.includes('?') ? '&' : '?'}sig=${sign(path)}`;
}

/** A link of a person or a program: good for one download that begins soon. */
export function firmwareDownloadUrl(
  publicUrl: string,
  sign: Sign,
  tenantId: string,
  firmwareId: string,
  expiresAt: number,
): string {
  return signed(
    publicUrl,
    sign,
    `/download/firmwares/${tenantId}/${firmwareId}?expires=${Math.ceil(expiresAt / 1000)}`,
  );
}

/**
 * The link of an instruction: it bears no time, because it is good until its installation ends, which the database
 * knows.
 */
export function installationDownloadUrl(
  publicUrl: string,
  sign: Sign,
  tenantId: string,
  installationId: string,
): string {
  return signed(publicUrl, sign, `/download/installations/${tenantId}/${installationId}`);
}

/** What a clock may be set back by, in its daily work, without a link being refused for it. */
const CLOCK_STEP_MS = 60_000;

/** Why a link is refused. `tampered`: its signature is not ours, or something in it was changed. */
export type LinkFault = 'unsigned' | 'tampered' | 'expired';

/**
 * Whether we made this link. Anything behind the signature is tampering, too.
 * @param url path and query as they were sent, not decoded
 * @param now epoch milliseconds
 * @param lifetimeMs that a link is given: one that ends much further ahead was made while the clock was ahead, and is
 *   no better than one that has expired
 * @returns undefined where it is good
 */
export function linkFault(url: string, sign: Sign, now: number, lifetimeMs = Infinity): LinkFault | undefined {
  const match = /^([^?#]*(?:\?[^#]*?)?)[?&]sig=([^&#]*)$/.exec(url);
  if (!match) return url.includes('sig=') ? 'tampered' : 'unsigned';
  const [, text, signature] = match as unknown as [string, string, string];
  if (!sameText(signature, sign(text))) return 'tampered';
  const expires = /[?&]expires=(\d{1,12})$/.exec(text)?.[1];
  if (expires === undefined) return undefined;
  const left = Number(expires) * 1000 - now;
  return left < 0 || left > lifetimeMs + CLOCK_STEP_MS ? 'expired' : undefined;
}

/**
 * Takes as long for a signature that is wrong at its start as for one that is wrong at its end: an attacker cannot
 * guess it digit by digit.
 */
function sameText(given: string, wanted: string): boolean {
  let different = given.length ^ wanted.length;
  for (let at = 0; at < wanted.length; at += 1) different |= wanted.charCodeAt(at) ^ given.charCodeAt(at);
  return different === 0;
}
