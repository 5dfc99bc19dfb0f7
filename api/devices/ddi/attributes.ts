import {
  attributeFault,
  configData,
  countReported,
  MOST_ATTRIBUTES,
  withReported,
} from '../../../protocol/ddi/config-data.js';
import { autoConfirmation, installedVersion } from '../../../protocol/ddi/confirmation.js';
import { DdiRefusal } from '../../../protocol/ddi/errors.js';
import { changeAttributes, findInstallable, setAutoConfirm } from '../../../store/commands/ddi-devices.js';
import { report } from '../../../store/commands/report.js';
import { record } from '../../../store/record.js';
import type { Call } from '../../http/route.js';
import { withController, type DdiServices } from './controllers.js';
import { readBody, type DdiAnswer } from './respond.js';

/** R8: attributes of the device. */
export async function takeConfigData(services: DdiServices, call: Call): Promise<DdiAnswer> {
  const body = await readBody(call.request, configData);
  return withController(services, call, async (tx, { controller: { tenantId, deviceId } }) => {
    const sent = body();
    const fault = attributeFault(sent);
    if (fault !== undefined) throw new DdiRefusal(400, fault, 'repo.invalidTargetAttributes');
    await changeAttributes(tx, tenantId, deviceId, (custom) => {
      const next = withReported(custom, sent);
      if (countReported(next) > MOST_ATTRIBUTES)
        throw new DdiRefusal(429, `a device has at most ${MOST_ATTRIBUTES} attributes`);
      return next;
    });
    return {};
  });
}

/** R7: what the device says that it runs. */
export async function takeInstalled(services: DdiServices, call: Call): Promise<DdiAnswer> {
  const body = await readBody(call.request, installedVersion);
  return withController(services, call, async (tx, { controller: { tenantId, deviceId } }) => {
    const { name, version } = body();
    const found = await findInstallable(tx, tenantId, deviceId, name, version);
    if (!found) throw new DdiRefusal(404, `there is no firmware "${name}" ${version} for this device`);
    if (found.isThere) return {};
    const { slot, sha256, revision } = found;
    const slots = { [slot]: { version, sha256, installationId: null, revision, confirmed: true } };
    const from = { kind: 'device' as const, node: deviceId };
    await record(tx, [{ tenantId, deviceId, from, kind: 'hello', hello: { slots } }], services.now());
    return { status: 201 };
  });
}

/** R9: from now on a person at the device is asked no more; what waits goes on. */
export async function activateAutoConfirm(services: DdiServices, call: Call): Promise<DdiAnswer> {
  const hasBody = Number(call.request.headers['content-length'] ?? 0) > 0;
  const body = hasBody ? await readBody(call.request, autoConfirmation) : undefined;
  return withController(services, call, async (tx, { controller }) => {
    const { tenantId, deviceId, current } = controller;
    const { initiator, remark } = body?.() ?? {};
    const activatedAt = services.now();
    const auto = { activatedAt, ...(initiator && { initiator }), ...(remark && { remark }) };
    if (!(await setAutoConfirm(tx, tenantId, deviceId, auto)))
      throw new DdiRefusal(409, 'it is active already', 'repo.autoConfAlreadyActive');
    if (controller.needsConfirmation && current?.state === 'delivered' && !current.isCanceling) {
      const { installationId, attempt } = current;
      const by = { kind: 'device' as const, node: deviceId };
      const event = { type: 'accepted' as const, attempt };
      await report(tx, tenantId, { deviceId, installationId, event, by }, services.now());
    }
    return {};
  });
}

/** R9: a person at the device is asked again. */
export function deactivateAutoConfirm(services: DdiServices, call: Call): Promise<DdiAnswer> {
  return withController(services, call, async (tx, { controller: { tenantId, deviceId } }) => {
    await setAutoConfirm(tx, tenantId, deviceId, null);
    return {};
  });
}
