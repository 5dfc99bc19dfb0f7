import { printDuration } from '../../domain/duration.js';
import { envelope } from '../../protocol/http/envelope.js';
import { hawkbitPatch, hawkbitSettings } from '../../protocol/http/hawkbit-settings.js';
import {
  changeHawkbitSettings,
  readHawkbitSettings,
  type HawkbitSettings,
} from '../../store/commands/hawkbit-settings.js';
import { answer, route, type Route } from '../http/route.js';

const PATH = '/v1/hawkbit-settings';
const answers = { 200: { description: 'As they are now', schema: envelope(hawkbitSettings) } };

/** What a tenant lets in over hawkBit's device interface (docs/contracts/hawkbit-ddi.md, "Who is let in"). */
export function hawkbitSettingsRoutes(): Route[] {
  return [
    route({
      method: 'get',
      path: PATH,
      operationId: 'getHawkbitSettings',
      summary: "Read the settings of hawkBit's device interface",
      tag: 'Devices',
      permission: 'settings:read',
      answers,
      handle: async (call) =>
        answer(200, print(await call.inTenant((tx) => readHawkbitSettings(tx, call.principal.tenantId)))),
    }),
    route({
      method: 'patch',
      path: PATH,
      operationId: 'patchHawkbitSettings',
      summary: "Change the settings of hawkBit's device interface",
      tag: 'Devices',
      permission: 'settings:write',
      body: hawkbitPatch,
      audit: { action: 'hawkbit.change', byHandler: true },
      answers: { ...answers, 404: { description: 'The device type does not exist' } },
      unknownCode: 'DEVICETYPE_NOT_FOUND',
      handle: async (call) => {
        const { pollingInterval, ...change } = call.body;
        const { tenantId } = call.principal;
        return call.inTenant(async (tx) => {
          const before = await readHawkbitSettings(tx, tenantId);
          const after = await changeHawkbitSettings(tx, tenantId, {
            ...change,
            ...(pollingInterval !== undefined && { pollingSeconds: Math.round(pollingInterval / 1000) }),
          });
          // A token in the place of another one changes nothing that is shown, and stands in the audit all the same.
          const isReplaced = typeof change.gatewayToken === 'string' && before.hasGatewayToken;
          const shown = { ...print(after), ...(isReplaced && { gatewayToken: 'replaced' }) };
          await call.recordAct(tx, print(before), shown, tenantId);
          return answer(200, print(after));
        });
      },
    }),
  ];
}

function print({ pollingSeconds, hasGatewayToken, registersAs, authorities }: HawkbitSettings) {
  const pollingInterval = printDuration(pollingSeconds * 1000);
  return { pollingInterval, gatewayToken: hasGatewayToken, registersAs, authorities };
}
