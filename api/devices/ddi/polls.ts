import { printBase, printConfirmationBase, printSleep, type Next } from '../../../protocol/ddi/print.js';
import { numberAction, type Controller } from '../../../store/commands/ddi-controller.js';
import type { Tx } from '../../../store/db/pool.js';
import type { Call } from '../../http/route.js';
import { withController, type DdiServices } from './controllers.js';
import { showing } from './offers.js';
import type { DdiAnswer } from './respond.js';

/** R1: what is to be done. Where nothing is, one read and no write. */
export function poll(services: DdiServices, call: Call): Promise<DdiAnswer> {
  return withController(
    services,
    call,
    async (tx, { controller, base }) => ({ body: printBase(base, await nextOf(tx, controller)) }),
    { creates: true },
  );
}

/** R9: whether a person at the device has to agree. */
export function confirmationState(services: DdiServices, call: Call): Promise<DdiAnswer> {
  return withController(
    services,
    call,
    async (tx, { controller, base }) => {
      const { confirm } = await nextOf(tx, controller);
      return { body: printConfirmationBase(base, controller.autoConfirm, confirm) };
    },
    { creates: true },
  );
}

async function nextOf(tx: Tx, controller: Controller): Promise<Next> {
  const { current, installed, terms, tenantId, deviceId } = controller;
  const rest = {
    sleep: printSleep(terms.pollingSeconds),
    ...(installed !== null && { installed }),
    wantsConfigData: controller.wantsConfigData,
  };
  const shown = current === null ? 'nothing' : showing(controller, current);
  if (current === null || shown === 'nothing') return rest;
  const number = current.number ?? (await numberAction(tx, tenantId, deviceId, current));
  return { ...rest, [shown]: { number, revision: current.revision } };
}
