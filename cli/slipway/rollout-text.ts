import type { Rollout, RolloutCounters, RolloutSimulation } from '../../client/index.js';
import { plural } from '../../domain/plural.js';
import type { View } from './print.js';
import { sizeText } from './text.js';

/** A rollout in a list. */
export const ROLLOUT: View<Rollout> = {
  columns: {
    id: (r) => r.id,
    name: (r) => r.name,
    phase: (r) => r.phase,
    done: (r) => `${endedOf(r.counters)}/${totalOf(r.counters)}`,
    'waiting on': (r) => r.waitingOn ?? r.because,
  },
  id: (r) => r.id,
};

const OPEN = ['pending', 'queued', 'inFlight'] as const;
/** In the order in which they are told, with their words. */
const ENDED = [
  ['installed', 'installed'],
  ['alreadyInstalled', 'already installed'],
  ['skipped', 'skipped'],
  ['failed', 'failed'],
  ['rejected', 'rejected'],
  ['timedOut', 'timed out'],
  ['canceled', 'canceled'],
  ['superseded', 'superseded'],
] as const;

/** How many targets have ended. */
export function endedOf(counters: RolloutCounters): number {
  return ENDED.reduce((sum, [state]) => sum + counters[state], 0);
}

/** How many targets there are. */
export function totalOf(counters: RolloutCounters): number {
  return endedOf(counters) + OPEN.reduce((sum, state) => sum + counters[state], 0);
}

/** `2 in flight, 12 installed, 1 failed`; what is 0 is left out. */
export function countersText(counters: RolloutCounters): string {
  const waiting = counters.pending + counters.queued;
  return [
    ...(waiting > 0 ? [`${waiting} waiting`] : []),
    ...(counters.inFlight > 0 ? [`${counters.inFlight} in flight`] : []),
    ...ENDED.flatMap(([state, words]) => (counters[state] > 0 ? [`${counters[state]} ${words}`] : [])),
  ].join(', ');
}

/** How it stands, for people. The sentences are those of the API. */
export function rolloutText(rollout: Rollout): string {
  const { name, id, phase, outcome, because, waitingOn, eta, groups, pauses, failuresBy = [], version } = rollout;
  const width = Math.max(...groups.map((group) => group.name.length));
  const lines = [
    `${name}  ${id}  version ${version}`,
    `${phase}${outcome === null ? '' : ` (${outcome})`}: ${because}`,
    ...(waitingOn === null ? [] : [waitingOn]),
    ...(eta === null ? [] : [`Expected to end at ${eta}.`]),
    ...pauses.map((pause) => `Paused since ${pause.since}, ${pause.reason}: ${pause.because}`),
    '',
    ...groups.map((group) =>
      `${group.name.padEnd(width)}  ${group.state}  ${endedOf(group.counters)} of ${group.size}  ${countersText(group.counters)}`.trimEnd(),
    ),
    ...groups
      .filter(({ state }) => state !== 'pending' && state !== 'passed')
      .map((group) => `${group.name}: ${group.gate.because}`),
    ...failuresBy.map(
      (one) =>
        `${plural(one.count, 'device')} of ${one.group} ${one.outcome}: ${one.code}, for example ${one.exampleDeviceId}`,
    ),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** A forecast, for people. */
export function forecastText(forecast: RolloutSimulation): string {
  const { devices, runs, outcomes, duration, groups, stopRules, pauses, peakInFlight, peakBytesPerSecond } = forecast;
  const ends = Object.entries(outcomes).filter(([, count]) => count > 0);
  const lines = [
    `${plural(devices, 'device')}, ${plural(runs, 'run')}`,
    `ends  ${ends.map(([outcome, share]) => `${outcome} ${percent(share)}`).join(', ')}`,
    ...(duration === null ? [] : [`takes  ${duration.p50} (95 %: ${duration.p95})`]),
    `peak  ${peakInFlight.p50} in flight, ${sizeText(peakBytesPerSecond.p50)}/s`,
    '',
    ...groups.map(
      ({ name, size, passes, passed }) =>
        `${name}  ${plural(size, 'device')}  passes ${percent(passes)}${passed === null ? '' : `, after ${passed.p50}`}`,
    ),
    ...pauses.map(({ because, chance }) => `may pause (${percent(chance)}): ${because}`),
    ...stopRules
      .filter(({ chance }) => chance > 0)
      .map((rule) => `may ${rule.then} (${percent(rule.chance)}): ${rule.outcome} over ${percent(rule.share)}`),
    '',
    ...forecast.assumptions.map((sentence) => `Assumed: ${sentence}`),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))} %`;
}
