import { Gauge, type Registry } from 'prom-client';
import { PART_STATES, type PartStates } from './parts.js';

/** The measurement `slipway_part`. @returns what brings it up to date */
export function partGauge(registry: Registry): (states: PartStates) => void {
  const gauge = new Gauge({
    name: 'slipway_part',
    help: '1 in the state that the part is in, as /health/ready says',
    labelNames: ['part', 'state'],
    registers: [registry],
  });
  // Each part has a series for each state: an alert on one that is 0 is an alert that can fire.
  return (states) => {
    for (const [part, { status }] of Object.entries(states))
      for (const state of PART_STATES) gauge.set({ part, state: state.replace(' ', '_') }, state === status ? 1 : 0);
  };
}
