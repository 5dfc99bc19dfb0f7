import { DomainError } from '../../domain/errors.js';

/** Why a token of an issuer is refused. `unverified`: it is not shown to be of the issuer, whatever it says. */
export type RefusalReason =
  'unverified' | 'expired' | 'not_yet_valid' | 'audience' | 'issuer' | 'tenant' | 'subject' | 'claims';

/**
 * The refusal of a token. What a token says is repeated only once its signature is that of the issuer: then its holder
 * has it from there, and learns nothing new. Everything else stands in the log only (`said`).
 */
export class TokenRefused extends DomainError {
  constructor(
    readonly reason: RefusalReason,
    sentence: string,
    readonly said: Readonly<Record<string, unknown>> = {},
    cause?: unknown,
  ) {
    super('AUTH_INVALID_TOKEN', sentence, { reason }, cause === undefined ? undefined : { cause });
  }
}
