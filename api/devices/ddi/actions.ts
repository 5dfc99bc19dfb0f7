import { cancelReportOf, confirmation, feedback, linesOf, reportOf } from '../../../protocol/ddi/feedback.js';
import { DdiRefusal } from '../../../protocol/ddi/errors.js';
import { printCancel, printOffer, type History } from '../../../protocol/ddi/print.js';
import type { ReportEvent } from '../../../domain/installation/events.js';
import { keepLines, readAction, readLines, type DdiAction } from '../../../store/commands/ddi-actions.js';
import type { Controller } from '../../../store/commands/ddi-controller.js';
import { report } from '../../../store/commands/report.js';
import type { Tx } from '../../../store/db/pool.js';
import type { Call } from '../../http/route.js';
import { noSuchAction, numberIn, withController, type DdiServices } from './controllers.js';
import { awaitsConfirmation, offerOf } from './offers.js';
import { readBody, type DdiAnswer } from './respond.js';

/** Lines of `actionHistory` where a client asks for all. */
const MOST_LINES = 100;

/** hawkBit's answer to what is not there in this state: no body. */
const NOT_HERE = () => new DdiRefusal(404);
const IS_OVER = () => new DdiRefusal(410);

/** R2, R6 and R9: an action, as long as it is to be seen as this. */
export async function readOffer(
  services: DdiServices,
  call: Call,
  as: 'deployment' | 'confirmation' | 'installed',
): Promise<DdiAnswer> {
  const number = numberIn(call);
  const found = await withController(services, call, async (tx, { controller, base }) => {
    const action = await actionOf(tx, controller, number);
    if (!isSeenAs(as, controller, action)) throw NOT_HERE();
    const history = await historyOf(tx, controller, action, call.query['actionHistory']);
    return { action, base, tenantId: controller.tenantId, history };
  });
  const offer = await offerOf(services, found.tenantId, found.action);
  const member = as === 'confirmation' ? 'confirmation' : 'deployment';
  return { body: printOffer(found.base, offer, member, found.history) };
}

function isSeenAs(as: 'deployment' | 'confirmation' | 'installed', controller: Controller, action: DdiAction): boolean {
  const waits = action.isActive && awaitsConfirmation(controller, action);
  const wasCanceled = action.isCanceling || ['canceled', 'superseded', 'timed_out'].includes(action.state);
  if (as === 'confirmation') return waits && !wasCanceled;
  return !wasCanceled && !waits && (as === 'deployment' || !action.isActive);
}

async function actionOf(tx: Tx, { tenantId, deviceId }: Controller, number: number): Promise<DdiAction> {
  const action = await readAction(tx, tenantId, deviceId, number);
  if (!action) throw noSuchAction(number);
  return action;
}

async function historyOf(
  tx: Tx,
  { tenantId }: Controller,
  action: DdiAction,
  asked: unknown,
): Promise<History | undefined> {
  const count = typeof asked === 'number' ? asked : 0;
  if (count === 0) return undefined;
  const most = count < 0 ? MOST_LINES : Math.min(count, MOST_LINES);
  const status = action.isActive ? 'RUNNING' : action.state === 'installed' ? 'FINISHED' : 'ERROR';
  return { status, messages: await readLines(tx, tenantId, action, most) };
}

/** R3: what a device says of its work. */
export async function takeFeedback(services: DdiServices, call: Call): Promise<DdiAnswer> {
  const number = numberIn(call);
  const body = await readBody(call.request, feedback);
  return withController(services, call, async (tx, { controller }) => {
    const { status } = body();
    const action = await actionOf(tx, controller, number);
    if (action.isActive && awaitsConfirmation(controller, action)) throw NOT_HERE();
    if (!action.isActive) throw IS_OVER();
    const event = reportOf(status, action);
    return take(services, tx, controller, action, event, linesOf(status));
  });
}

/** R4: what is to be stopped. */
export async function readCancel(services: DdiServices, call: Call): Promise<DdiAnswer> {
  const number = numberIn(call);
  return withController(services, call, async (tx, { controller }) => {
    const action = await actionOf(tx, controller, number);
    if (!action.isCanceling && action.state !== 'canceled' && action.state !== 'superseded') throw NOT_HERE();
    return { body: printCancel(number) };
  });
}

/** R5: what a device says of it. */
export async function takeCancelFeedback(services: DdiServices, call: Call): Promise<DdiAnswer> {
  const number = numberIn(call);
  const body = await readBody(call.request, feedback);
  return withController(services, call, async (tx, { controller }) => {
    const { status } = body();
    const action = await actionOf(tx, controller, number);
    if (!action.isActive) throw IS_OVER();
    if (!action.isCanceling) throw new DdiRefusal(405, `action ${number} is not to be canceled`);
    return take(services, tx, controller, action, cancelReportOf(status, action), linesOf(status));
  });
}

/** R9: what a person at the device decided. `denied` is `rejected`, for good. */
export async function takeConfirmation(services: DdiServices, call: Call): Promise<DdiAnswer> {
  const number = numberIn(call);
  const body = await readBody(call.request, confirmation);
  return withController(services, call, async (tx, { controller }) => {
    const said = body();
    const action = await actionOf(tx, controller, number);
    if (!action.isActive) throw IS_OVER();
    if (!awaitsConfirmation(controller, action) || action.isCanceling) throw NOT_HERE();
    const lines = linesOf(said);
    const event: ReportEvent =
      said.confirmation === 'confirmed'
        ? { type: 'accepted' }
        : { type: 'rejected', final: true, reason: lines.join('; ').slice(0, 200) || 'denied at the device' };
    return take(services, tx, controller, action, event, lines);
  });
}

/** The same reports as those of every other protocol: the domain decides what they change. */
async function take(
  { now }: DdiServices,
  tx: Tx,
  { tenantId, deviceId }: Controller,
  action: DdiAction,
  event: ReportEvent | undefined,
  lines: readonly string[],
): Promise<DdiAnswer> {
  if (event !== undefined) {
    const { installationId, attempt } = action;
    const by = { kind: 'device' as const, node: deviceId };
    const about = { deviceId, installationId, event: { ...event, attempt }, by };
    const recorded = await report(tx, tenantId, about, now());
    if (recorded.outcome === 'refused') throw IS_OVER();
  }
  await keepLines(tx, tenantId, action, lines, now());
  return {};
}
