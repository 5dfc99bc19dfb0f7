import type { Cover } from '../openapi.js';
import { hawkbitDialect } from './ddi/dialect.js';
import type { RequestLimits } from '../http/rates.js';
import type { Services } from '../http/route.js';
import { enrolmentDialects } from './enrolment.js';
import type { Dialect } from './dialect.js';
import { nativeDialect } from './native.js';
import type { Waits } from './waits.js';

/** What a process offers to devices beside MQTT. A new dialect is one more entry here. */
export function deviceDialects(services: Services, waits: Waits, limits: RequestLimits): readonly Dialect[] {
  return [...enrolmentDialects(services, limits), nativeDialect(services, waits), hawkbitDialect(services)];
}

/** Of the document of all dialects. */
export function deviceCover(dialects: readonly Dialect[]): Cover {
  return {
    title: 'Slipway for devices',
    description:
      'What devices without MQTT ask over HTTP, each with a token of its own. Errors are `{errorCode, errorMessage}` together with the members of RFC 9457.',
    securitySchemes: Object.assign({}, ...dialects.map((one) => one.securitySchemes)) as Record<string, unknown>,
  };
}
