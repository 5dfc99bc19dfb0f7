import helmet from 'helmet';
import type { RequestHandler } from 'express';

/**
 * The content security policy of every answer: scripts and styles are files of this service, none stands in a page, and
 * no text becomes a script or a part of a page except through a named policy of trusted types. No upgrade to HTTPS: on
 * one machine the service speaks HTTP, and a proxy in front of it decides.
 * @param policies the names of trusted types' policies; `slipway` is that of the dashboard
 * @param provider the issuer of operators' tokens, which the dashboard asks for one
 */
export function contentSecurity({
  policies = ['slipway'],
  provider,
}: {
  readonly policies?: readonly string[];
  readonly provider?: string | undefined;
}): RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        fontSrc: ["'self'"],
        connectSrc: ["'self'", ...(provider !== undefined && URL.canParse(provider) ? [new URL(provider).origin] : [])],
        workerSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
        requireTrustedTypesFor: ["'script'"],
        trustedTypes: [...policies],
      },
    },
    // The window in which an identity provider asks for a password hands its token over and closes.
    crossOriginOpenerPolicy: { policy: 'same-origin-allow-popups' },
  });
}
