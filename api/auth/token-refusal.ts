import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload } from 'jose';
import { TokenRefused } from '../http/token-refused.js';

const UNVERIFIED = 'the bearer token is neither a key of this service nor signed by a key of its issuer';

/** What jose says of a token, in the words of this service. @param audience that is expected */
export function refusalOf(error: errors.JOSEError, token: string, audience: string): TokenRefused {
  const said = { ...claimsOf(token), because: error.message };
  if (error instanceof errors.JWTExpired)
    return new TokenRefused(
      'expired',
      `the token expired${timeIn(error.payload.exp)}; ask its issuer for another one`,
      said,
    );
  if (error instanceof errors.JWTClaimValidationFailed) {
    switch (error.claim) {
      case 'aud':
        return new TokenRefused('audience', `the token is for another service: its aud must be ${audience}`, said);
      case 'iss':
        return new TokenRefused('issuer', 'the token names another issuer than this service trusts', said);
      case 'nbf':
        return new TokenRefused('not_yet_valid', `the token is not valid yet${timeIn(error.payload.nbf)}`, said);
      default:
        return new TokenRefused('claims', `the claim ${error.claim} of the token is missing or not valid`, said);
    }
  }
  return new TokenRefused('unverified', UNVERIFIED, said, error);
}

/** For the log: what the token claims, as it is, although nothing of it may be true. Without its signature. */
export function claimsOf(token: string): Record<string, unknown> {
  try {
    const { iss, aud, sub, exp, tenant } = decodeJwt(token);
    const { kid, alg } = decodeProtectedHeader(token);
    return { iss, aud, sub, exp, tenant, kid, alg };
  } catch (error) {
    return { unreadable: (error as Error).message };
  }
}

function timeIn(seconds: JWTPayload['exp']): string {
  const at = new Date((seconds ?? NaN) * 1_000);
  return Number.isNaN(at.getTime()) ? '' : ` (${at.toISOString()})`;
}
