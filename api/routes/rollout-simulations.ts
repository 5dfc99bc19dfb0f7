import { z } from 'zod';
import { envelope } from '../../protocol/http/envelope.js';
import { PLAN_EXAMPLE, rolloutRequest } from '../../protocol/http/rollout-plan.js';
import { printSimulation, simulation } from '../../protocol/http/rollout-simulation.js';
import { checkAgainstFleet } from '../../store/rollouts/check.js';
import { readFleetModel } from '../../store/rollouts/model.js';
import { answer, route, type Route, type Services } from '../http/route.js';
import { common, planOf, refuse } from './rollouts.js';

const body = rolloutRequest
  .extend({
    seed: z
      .int32()
      .optional()
      .meta({ description: 'Of the random numbers: the same seed gives the same answer. Default 1' }),
  })
  .meta({
    id: 'NewRolloutSimulation',
    description: 'A rollout as it would be created, and optionally a seed',
    example: { ...PLAN_EXAMPLE, seed: 1 },
  });

/** docs/contracts/rollouts.md, "Simulation": what a plan would do, before it is created. */
export function rolloutSimulationRoutes(services: Services): Route[] {
  return [
    route({
      ...common,
      method: 'post',
      path: '/v1/rollout-simulations',
      operationId: 'simulateRollout',
      summary: 'Forecast what a rollout would do; nothing is written',
      description:
        'The same body as for a rollout, and the same refusals. The planner that would run it runs over a model of the fleet that is made of what is known of these devices, many times; `assumptions` says what is not known.',
      permission: 'rollouts:read',
      body,
      audit: null,
      answers: {
        200: { description: 'The forecast', schema: envelope(simulation) },
        409: {
          description:
            'The firmware has no blob, or is not associated with the slot for a type of device that is a target',
        },
        429: {
          description: 'Too many simulations are running',
          headers: { 'Retry-After': 'Seconds after which to try again' },
        },
      },
      async handle(call) {
        const { seed = 1, ...request } = call.body;
        const { tenantId } = call.principal;
        const now = services.now();
        const { plan, model } = await call.inTenant(async (tx) => {
          const asked = (await planOf(tx, tenantId, request)).plan;
          refuse(asked, now);
          await checkAgainstFleet(tx, tenantId, asked);
          return { plan: asked, model: await readFleetModel(tx, tenantId, asked, now) };
        });
        // Outside of any transaction: no connection is held while a thread thinks.
        const forecast = await services.simulations.run({ plan, model, seed, now }, tenantId);
        return call.answerOnce(() => Promise.resolve(answer(200, printSimulation(forecast))));
      },
    }),
  ];
}
