import type { Plan } from './plan.js';
import { forecastOf, type Forecast } from './simulation/forecast.js';
import type { FleetModel } from './simulation/model.js';
import { simulateOnce, type Run } from './simulation/run.js';

export type { Forecast } from './simulation/forecast.js';
export type { FleetModel } from './simulation/model.js';

/** What is asked of a simulation. Plain and JSON-safe: it crosses to a thread. */
export interface SimulationRequest {
  readonly plan: Plan;
  readonly model: FleetModel;
  /** The same seed, plan, fleet and time give the same answer. */
  readonly seed: number;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** A share of one in 200 is the rarest that is seen, which is what a stop rule is worth knowing of. */
const MOST_RUNS = 200;
/** Below that, "p95" would be a name for the worst. */
const FEWEST_RUNS = 20;
/** Devices over all runs: small fleets get the most runs, big ones the fewest. */
const DEVICES_IN_ALL = 2_000_000;
/**
 * Looks of the planner and devices over all runs, after which no further run begins: counted, not timed, so that a slow
 * machine gives the same answer. It is some 3 s of one core; 100,000 devices get 12 runs out of it, and a million one.
 */
const MOST_WORK = 2_000_000;

/**
 * What a plan would do to a fleet, without doing it: the planner that runs it, over a fleet of numbers, many times with
 * other dice. Pure. Event-driven: it costs by devices and decisions, not by the time that passes.
 */
export function simulate({ plan: asked, model, seed, now }: SimulationRequest): Forecast {
  // A dynamic rollout never ends; that of the devices that there are does.
  const plan: Plan = { ...asked, targets: { ...asked.targets, dynamic: false } };
  const start = Math.max(now, plan.schedule.startAt ?? now);
  const devices = model.groups.reduce((sum, one) => sum + one, 0);
  const wanted = Math.max(FEWEST_RUNS, Math.min(MOST_RUNS, Math.floor(DEVICES_IN_ALL / Math.max(1, devices))));
  const runs: Run[] = [];
  for (let work = 0; runs.length < wanted && (runs.length === 0 || work < MOST_WORK);) {
    const run = simulateOnce(plan, model, seedOf(seed, runs.length), start);
    runs.push(run);
    work += run.looks + devices;
  }
  return forecastOf(runs, { plan: asked, model, seed, start });
}

/**
 * Runs that lie side by side in the seeds of two questions would answer both alike: each gets a place far from its
 * neighbour's.
 */
function seedOf(seed: number, run: number): number {
  return (Math.imul(seed, 0x85ebca6b) + Math.imul(run + 1, 0x9e3779b1)) | 0;
}
