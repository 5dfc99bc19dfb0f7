import type { Cover } from '../openapi.js';
import { byDeviceToken } from '../auth/device-tokens.js';
import type { Services } from '../http/route.js';
import type { Dialect } from './dialect.js';

/** What a process offers to devices beside MQTT. A new dialect is one more entry here. */
export function deviceDialects({ pool }: Services): readonly Dialect[] {
  return [
    // The native protocol's own (docs/contracts/device-mqtt.md, "The HTTP twin").
    {
      routes: [],
      identify: byDeviceToken(pool),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: "The device's own token (`type: token`)" },
      },
    },
  ];
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
