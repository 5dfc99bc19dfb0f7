/** A public key as far as its strength counts. */
export interface KeyFacts {
  /** As OpenSSL names it: `rsa`, `ec`, `ed25519`. */
  readonly type: string | undefined;
  /** Of an RSA key. */
  readonly bits?: number | undefined;
  /** Of a key on a curve. */
  readonly curve?: string | undefined;
}

/** Shorter RSA keys can be broken; of the curves, those that TLS has. */
const LEAST_RSA_BITS = 2_048;
const CURVES: readonly string[] = ['prime256v1', 'secp384r1', 'secp521r1'];

/** Why a key is too weak, or of a kind that TLS does not have, as the end of a sentence; undefined = it is fine. */
export function whyWeakKey({ type, bits = 0, curve = '' }: KeyFacts): string | undefined {
  const wanted = `use P-256, Ed25519, or RSA of at least ${LEAST_RSA_BITS} bits`;
  if (type === 'ed25519' || (type === 'ec' && CURVES.includes(curve))) return undefined;
  if (type === 'rsa') return bits >= LEAST_RSA_BITS ? undefined : `has an RSA key of ${bits} bits; ${wanted}`;
  return `has a key of the kind ${curve || (type ?? 'unknown')}; ${wanted}`;
}
