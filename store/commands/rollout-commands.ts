import { defined } from '../../domain/defined.js';
import { DomainError } from '../../domain/errors.js';
import { eventOfCommand } from '../../domain/webhook/event-names.js';
import { whyNotVote } from '../../domain/rollout/actions.js';
import { abortedBy, pausedBy, resumed, rolledBackBy, withGroup } from '../../domain/rollout/apply.js';
import { stillDefaulted } from '../../domain/rollout/amendment.js';
import type { Amendment, Command } from '../../domain/rollout/commands.js';
import type { Pause, RolloutFacts, Vote } from '../../domain/rollout/facts.js';
import { derivePhase } from '../../domain/rollout/phase.js';
import type { Plan } from '../../domain/rollout/plan.js';
import { retriable } from '../../domain/rollout/retriable.js';
import { whyNot } from '../../domain/rollout/why-not.js';
import { writeHistory } from '../history/history.js';
import { mark, wakeSender } from '../outbox/outbox.js';
import type { Tx } from '../db/pool.js';
import { pokeRollout } from '../rollouts/moves.js';
import { lockRollout } from './observe.js';
import { saveRollout, type StoredRollout } from '../rollouts/rows.js';
import { judgeAdmissibleAnew, retryEnded, skipAway } from '../rollouts/targets.js';
import { noSuchRollout, readRollout, refuseMoved } from './rollouts.js';
import type { RolloutView } from '../rollouts/view.js';

/**
 * What a person asks of a rollout, under the lock of its row. A command that finds its work done is a success.
 * @param expected the versions that the rollout may be at (`If-Match`); absent = any
 * @throws DomainError ROLLOUT_NOT_FOUND, ROLLOUT_STATE with the sentence that says why not and when it would be,
 * ROLLOUT_CONFLICT, REQUEST_PRECONDITION_FAILED
 */
export async function commandRollout(
  tx: Tx,
  tenantId: string,
  id: string,
  by: string,
  command: Command,
  now: number,
  expected?: readonly number[],
): Promise<RolloutView> {
  const locked = await lockRollout(tx, tenantId, id);
  if (!locked) throw noSuchRollout(id);
  const { rollout } = locked;
  refuseMoved(rollout, expected);
  const { phase } = derivePhase(rollout.facts, rollout.plan);
  const refused = whyNot(command.do, phase);
  if (refused !== undefined)
    throw new DomainError('ROLLOUT_STATE', `this rollout cannot ${command.do} while it is ${phase}: ${refused}`, {
      phase,
    });
  const { after: done, data } = await carryOut(tx, rollout, by, command, now);
  // What it waited for is over; the answer to a command does not go on saying it.
  const after =
    done === rollout ? rollout : { ...done, waitingOn: 'Waiting for its process to apply the command.', actsAt: null };
  await saveRollout(tx, rollout, after, now);
  if (after !== rollout) {
    await writeHistory(tx, [
      {
        tenantId,
        rolloutId: id,
        at: now,
        event: eventOfCommand(command.do),
        data: { by: `operator:${by}`, version: after.version, ...data },
      },
    ]);
    await mark(tx, [pokeRollout(tenantId, id)]);
    await wakeSender(tx);
  }
  return defined(await readRollout(tx, tenantId, id), 'the rollout was written in this transaction');
}

interface Done {
  readonly after: StoredRollout;
  readonly data: Record<string, unknown>;
}

async function carryOut(tx: Tx, rollout: StoredRollout, by: string, command: Command, now: number): Promise<Done> {
  const { facts, plan } = rollout;
  const to = (next: RolloutFacts, data: Record<string, unknown> = {}): Done => ({
    after: next === facts ? rollout : { ...rollout, facts: next },
    data,
  });
  switch (command.do) {
    case 'start':
      await refuseWithoutFirmware(tx, rollout);
      return to({ ...facts, startRequestedAt: now });
    case 'pause':
      return to(pausedBy(facts, { reason: 'operator', since: now, because: command.because ?? `paused by ${by}` }), {
        because: command.because,
      });
    case 'resume': {
      const reason = reasonToRemove(facts, command.reason);
      const { comment } = command;
      return to(resumed(facts, reason, by, now), { reason, ...(comment === undefined ? {} : { comment }) });
    }
    case 'abort':
      return to(abortedBy(facts, command.because ?? `aborted by ${by}`, command.cancelOpen, now), {
        cancelOpen: command.cancelOpen,
        because: command.because,
      });
    case 'rollback':
      return to(rolledBackBy(facts, command.because ?? `requested by ${by}`, now), { because: command.because });
    case 'retry':
      return retry(tx, rollout, command.outcomes, now);
    case 'skip':
      return skip(tx, rollout, command.group, by, now);
    case 'approve':
      return to(approved(facts, plan, rollout, by, command.group, now), { group: command.group });
    case 'reject':
      return to(rejected(facts, plan, by, command.group, command.because, now), {
        group: command.group,
        because: command.because,
      });
    case 'amend':
      return amend(tx, rollout, command.amendment, now);
  }
}

/**
 * A draft holds on to nothing: its firmware may have been deleted since. The row is locked against that from here on.
 * @throws DomainError ROLLOUT_STATE
 */
async function refuseWithoutFirmware(tx: Tx, { tenantId, plan }: StoredRollout): Promise<void> {
  for (const { firmwareId } of plan.steps) {
    const { rows } = await tx.query(
      `SELECT FROM firmwares WHERE tenant_id = $1 AND id = $2 AND state = 'ready' FOR KEY SHARE`,
      [tenantId, firmwareId],
    );
    if (rows.length === 0)
      throw new DomainError(
        'ROLLOUT_STATE',
        `firmware ${firmwareId} was deleted since this rollout was drafted; delete the draft and create another rollout`,
      );
  }
}

/** @throws DomainError ROLLOUT_STATE where the reason is not there, or where there are several and none is named. */
function reasonToRemove({ pauses }: RolloutFacts, named: string | null): Pause['reason'] {
  const there = pauses.map((pause) => pause.reason);
  const chosen =
    named === null
      ? there.length === 1
        ? there[0]
        : there.find((reason) => reason === 'operator')
      : there.find((reason) => reason === named);
  if (chosen !== undefined) return chosen;
  throw new DomainError(
    'ROLLOUT_STATE',
    named === null
      ? `it is paused for several reasons; name the one to remove with {"reason": …}: ${there.join(', ')}`
      : `it is not paused for "${named}", but for ${there.join(', ')}`,
    { reasons: there },
  );
}

/**
 * What ended so is tried again; gates that failed for it are judged anew, and a rollout that had finished runs again.
 */
async function retry(
  tx: Tx,
  rollout: StoredRollout,
  outcomes: Extract<Command, { do: 'retry' }>['outcomes'],
  now: number,
): Promise<Done> {
  const { positions, refused } = retriable(rollout.facts, rollout.plan, outcomes, now);
  if (refused !== undefined) throw new DomainError('ROLLOUT_STATE', refused);
  const count = await retryEnded(tx, rollout, positions, outcomes);
  if (count === 0) return { after: rollout, data: {} };
  const { facts } = rollout;
  const gates: readonly string[] = ['gate_failed', 'gate_inconclusive'];
  const groups = facts.groups.map((group) =>
    group.failedAt === null
      ? group
      : { ...group, failedAt: null, soakingSince: null, askedAt: null, approvals: [], because: null },
  );
  return {
    after: {
      ...rollout,
      facts: {
        ...facts,
        finishedAt: null,
        groups,
        pauses: facts.pauses.filter((pause) => !gates.includes(pause.reason)),
      },
    },
    data: { outcomes, targets: count },
  };
}

/** Targets of a group that are away: they leave every share. A gate that paused for them is judged anew. */
async function skip(tx: Tx, rollout: StoredRollout, name: string, by: string, now: number): Promise<Done> {
  const { facts } = rollout;
  const group = groupOf(facts, name);
  if (group.openedAt === null)
    throw new DomainError('ROLLOUT_STATE', `group "${name}" has not opened; none of its targets is away yet`);
  const count = await skipAway(tx, rollout, facts.groups.indexOf(group), `it was away, and ${by} skipped it`, now);
  if (count === 0) return { after: rollout, data: {} };
  const judgedAnew = facts.pauses.some((pause) => pause.reason === 'gate_inconclusive' && pause.group === name);
  return {
    after: {
      ...rollout,
      facts: judgedAnew
        ? {
            ...withGroup(facts, name, { failedAt: null, soakingSince: null, because: null }),
            pauses: facts.pauses.filter((pause) => pause.reason !== 'gate_inconclusive'),
          }
        : { ...facts },
    },
    data: { group: name, targets: count },
  };
}

function approved(
  facts: RolloutFacts,
  plan: Plan,
  { createdBy }: StoredRollout,
  by: string,
  group: string | null,
  now: number,
): RolloutFacts {
  const refused = whyNotVote(plan, createdBy, by);
  if (refused !== undefined) throw new DomainError('AUTH_FORBIDDEN', refused);
  const vote = (votes: readonly Vote[]): readonly Vote[] =>
    votes.some((one) => one.by === by) ? votes : [...votes, { by, at: now }];
  if (group === null) {
    if (plan.approval.required === 0)
      throw new DomainError(
        'ROLLOUT_STATE',
        'this rollout needs no approval, but its groups may: POST …/groups/{name}/approve',
      );
    const approvals = vote(facts.approvals);
    return approvals === facts.approvals ? facts : { ...facts, approvals };
  }
  const there = groupOf(facts, group);
  if (plan.groups.find((one) => one.name === group)?.approval == null)
    throw new DomainError('ROLLOUT_STATE', `group "${group}" needs no approval`);
  if (there.passedAt !== null) return facts;
  if (there.failedAt !== null)
    throw new DomainError(
      'ROLLOUT_STATE',
      `group "${group}" was not approved: ${there.because}; resume the rollout to request the approval again`,
    );
  const approvals = vote(there.approvals);
  return approvals === there.approvals ? facts : withGroup(facts, group, { approvals });
}

function rejected(
  facts: RolloutFacts,
  plan: Plan,
  by: string,
  group: string | null,
  because: string,
  now: number,
): RolloutFacts {
  const said = `rejected by ${by}: ${because}`;
  if (group === null) {
    if (plan.approval.required === 0)
      throw new DomainError('ROLLOUT_STATE', 'this rollout needs no approval of its own; pause or abort it');
    if (facts.startedAt !== null)
      throw new DomainError('ROLLOUT_STATE', 'it was approved and has started; pause or abort it');
    return abortedBy(facts, said, false, now);
  }
  const there = groupOf(facts, group);
  if (plan.groups.find((one) => one.name === group)?.approval == null)
    throw new DomainError('ROLLOUT_STATE', `group "${group}" needs no approval; pause or abort the rollout`);
  if (there.passedAt !== null)
    throw new DomainError('ROLLOUT_STATE', `group "${group}" has already passed; pause or abort the rollout`);
  return pausedBy(withGroup(facts, group, { failedAt: now, because: said }), {
    reason: 'approval',
    since: now,
    because: `group "${group}" was ${said}`,
    group,
  });
}

function groupOf(facts: RolloutFacts, name: string): RolloutFacts['groups'][number] {
  const group = facts.groups.find((one) => one.name === name);
  if (!group)
    throw new DomainError(
      'ROLLOUT_NOT_FOUND',
      `this rollout has no group "${name}"; it has ${facts.groups.map((one) => one.name).join(', ')}`,
    );
  return group;
}

async function amend(tx: Tx, rollout: StoredRollout, amendment: Amendment, now: number): Promise<Done> {
  const after = amended(rollout, amendment, now);
  if (after.plan.pace.offline !== rollout.plan.pace.offline) await judgeAdmissibleAnew(tx, rollout);
  return { after, data: { amendment } };
}

/** Each amendment is a version. Of groups that have passed nothing changes: they were judged. */
function amended(rollout: StoredRollout, amendment: Amendment, now: number): StoredRollout {
  const { plan, facts } = rollout;
  const changes = new Map(amendment.groups?.map((one) => [one.name, one]));
  for (const name of changes.keys()) {
    if (groupOf(facts, name).passedAt !== null)
      throw new DomainError('ROLLOUT_STATE', `group "${name}" has passed; its gate cannot change any more`);
  }
  if (amendment.schedule && facts.startedAt !== null && amendment.schedule.startAt !== plan.schedule.startAt)
    throw new DomainError('ROLLOUT_STATE', 'it has started; its startAt cannot change any more');
  const groups = plan.groups.map((group) => ({ ...group, ...changes.get(group.name) }));
  const next: Plan = { ...plan, ...amendment, groups };
  return {
    ...rollout,
    facts: timed(facts, plan, next, now),
    plan: next,
    defaulted: stillDefaulted(rollout.defaulted, plan, next),
    version: rollout.version + 1,
  };
}

/** A plan that names a time starts then, without a command; one that names none any more waits for the command. */
function timed(facts: RolloutFacts, before: Plan, after: Plan, now: number): RolloutFacts {
  if (facts.startedAt !== null || before.schedule.startAt === after.schedule.startAt) return facts;
  return { ...facts, startRequestedAt: after.schedule.startAt === null ? null : (facts.startRequestedAt ?? now) };
}
