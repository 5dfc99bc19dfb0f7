import { z } from 'zod';
import { voteOf, type AwaitedApproval } from '../../domain/rollout/awaited.js';
import type { Caller } from '../../domain/rollout/actions.js';
import { gateOf } from '../../domain/rollout/phase.js';
import { groupAt } from '../../domain/rollout/plan.js';
import { id, timestamp } from './envelope.js';
import { isoTime, timeOrNull } from './print-plan.js';
import { allowance, counters, printCounters, printVote, vote, type PrintableRollout } from './rollout.js';

/** An approval that is waited for, with what speaks for it (docs/contracts/rollouts.md, "Approvals"). */
export const approval = z
  .strictObject({
    rolloutId: id,
    name: z.string().meta({ description: 'Of the rollout' }),
    version: z.int().min(1).meta({ description: 'Of the plan, which is voted on' }),
    group: z.string().nullable().meta({ description: 'null = the rollout itself' }),
    createdBy: z.string(),
    since: timestamp,
    until: timestamp.nullable().meta({ description: 'When it lapses; null = it waits for ever' }),
    required: z.int().min(1),
    given: z.array(vote),
    voided: z.string().nullable().meta({ description: 'What voided votes that were given before' }),
    evidence: z
      .strictObject({
        size: z.int().min(0),
        counters,
        gate: z.strictObject({ verdict: z.string(), because: z.string() }),
      })
      .nullable()
      .meta({ description: 'Of a group: how it went, and what its gate says' }),
    vote: allowance,
  })
  .meta({
    id: 'Approval',
    example: {
      rolloutId: '123e4567-e89b-12d3-a456-426655440010',
      name: 'switch 1.5.0',
      version: 2,
      group: null,
      createdBy: 'key:ci',
      since: '2026-11-24T10:00:00.000Z',
      until: null,
      required: 1,
      given: [],
      voided: null,
      evidence: null,
      vote: { allowed: true },
    },
  });

/** As its answer has it, for who asks. */
export function printApproval(
  one: AwaitedApproval,
  rollout: PrintableRollout,
  caller: Caller,
): z.input<typeof approval> {
  const { facts, plan } = rollout;
  const group = one.group === null ? undefined : facts.groups[one.group];
  const judged = group && gateOf(groupAt(plan.groups, one.group ?? 0), group, false);
  return {
    rolloutId: rollout.id,
    name: plan.name,
    version: rollout.version,
    group: group?.name ?? null,
    createdBy: rollout.createdBy,
    since: isoTime(one.since),
    until: timeOrNull(one.until),
    required: one.required,
    given: one.given.map(printVote),
    voided: facts.loosened?.voided ?? null,
    evidence:
      group && judged
        ? {
            size: group.size,
            counters: printCounters(group.counters, rollout.bytes[one.group ?? 0] ?? 0),
            gate: { verdict: judged.verdict, because: judged.because },
          }
        : null,
    vote: voteOf(one, rollout, caller),
  };
}
