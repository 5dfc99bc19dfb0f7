import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { isEnded, type State } from '../../domain/installation/states.js';
import { parseDuration } from '../../domain/duration.js';
import type { simulation } from '../../protocol/http/rollout-simulation.js';
import type { RolloutFleet } from './rollout-fleet.js';
import type { Operator } from '../service/operator.js';
import { tookOf, type RolloutResource } from './resource.js';
import { seconds, widthsOf } from '../terminal/terminal.js';

/** As `POST /v1/rollout-simulations` answers. */
export type Forecast = z.output<typeof simulation>;

const LOOK_MS = 500;
/** Long past what an installation takes on a busy machine. */
const DEADLINE_MS = 90_000;
/** Like the rollout's own. */
const TERMS = { timeouts: { offer: 'PT60S', download: 'PT30S', install: 'PT30S', confirm: 'PT20S' } };

/**
 * A few lamps beside the rollout install an earlier version: of devices that never installed anything, nothing could be
 * foretold.
 */
export async function tryOut(operator: Operator, { pilots, pilotFirmwareId }: RolloutFleet): Promise<void> {
  const asked = await Promise.all(
    pilots.map(({ id }) => operator.install(id, { firmwareId: pilotFirmwareId, slot: 'firmware', ...TERMS })),
  );
  for (const end = Date.now() + DEADLINE_MS; ; await sleep(LOOK_MS)) {
    const all = await Promise.all(asked.map(({ id, deviceId }) => operator.installation(deviceId, id)));
    if (all.every(({ state }) => isEnded(state as State))) return;
    if (Date.now() > end)
      throw new Error(`the lamps that try out the earlier version had not ended after ${DEADLINE_MS / 1_000} s`);
  }
}

/** What the rollout would do, by the same body with which it was created. */
export function askForecast(operator: Operator, { request }: RolloutFleet): Promise<Forecast> {
  return operator.call<Forecast>('POST', '/v1/rollout-simulations', request);
}

/** The forecast of the service in one line for the terminal. */
export function forecastSentence(
  { duration, peakInFlight, stopRules, runs }: Forecast,
  { pilots }: Pick<RolloutFleet, 'pilots'>,
): string {
  const long =
    duration === null
      ? 'it ends in no run'
      : `it takes ${lengthOf(duration.p50)}, and no more than ${lengthOf(duration.p95)} in 95 % of ${runs} runs`;
  return `The forecast, from what ${pilots.length} other lamps took for an earlier version: ${long}; up to ${peakInFlight.p95} are in flight at once; ${stopRules.map(({ chance }) => `the stop rule acts in ${percent(chance)} of the runs`).join('; ')}.`;
}

/** The forecast beside what became of it, in lines. @param mostInFlight that was seen */
export function besideEachOther(forecast: Forecast, rollout: RolloutResource, mostInFlight: number): string[] {
  const { duration, peakInFlight, stopRules, outcomes } = forecast;
  const stopped = rollout.phase !== 'finished';
  const rows: [what: string, foretold: string, real: string][] = [
    ['', 'forecast', 'real'],
    [
      'duration',
      duration === null ? 'endless' : `${lengthOf(duration.p50)} (95 %: ${lengthOf(duration.p95)})`,
      `${seconds(tookOf(rollout))}${stopped ? `, then ${rollout.phase}` : ''}`,
    ],
    ['finishes', `in ${percent(outcomes.finished)} of the runs`, stopped ? 'no' : 'yes'],
    ['most in flight', String(peakInFlight.p50), String(mostInFlight)],
    [
      'stop rule',
      stopRules.map(({ chance }) => `acts in ${percent(chance)} of the runs`).join(', '),
      stopped ? 'acted' : 'did not act',
    ],
  ];
  const [first = 0, second = 0] = widthsOf(rows);
  const blind = stopped ? ['A forecast takes a version to be as good as those before; hence the canary.'] : [];
  return [
    ...rows.map(([what, foretold, real]) => `  ${what.padEnd(first)}  ${foretold.padEnd(second)}  ${real}`),
    ...blind,
  ];
}

function lengthOf(duration: string): string {
  return `${(parseDuration(duration) ?? 0) / 1_000} s`;
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}
