import { defined } from '../../domain/defined.js';
import { DomainError } from '../../domain/errors.js';
import { eventOfCommand } from '../../domain/webhook/event-names.js';
import { amendmentOf } from '../../domain/rollout/amendment.js';
import { amended } from '../../domain/rollout/amend.js';
import { abortedBy, pausedBy, resumed, rolledBackBy, withGroup } from '../../domain/rollout/apply.js';
import type { Amendment, Command } from '../../domain/rollout/commands.js';
import type { Pause, RolloutFacts } from '../../domain/rollout/facts.js';
import { derivePhase } from '../../domain/rollout/phase.js';
import { retriable } from '../../domain/rollout/retriable.js';
import {
  approved,
  groupOf,
  isOverride,
  loosenedBy,
  rejected,
  whyNotLoosen,
  whyNotWithoutVotes,
  type Person,
} from '../../domain/rollout/votes.js';
import { whyNot } from '../../domain/rollout/why-not.js';
import { writeHistory } from '../history/history.js';
import { mark, wakeSender } from '../outbox/outbox.js';
import type { Tx } from '../db/pool.js';
import { pokeRollout } from '../rollouts/moves.js';
import { lockRollout } from './observe.js';
import { saveRollout, type StoredRollout } from '../rollouts/rows.js';
import { beginWork } from '../rollouts/paged-works.js';
import { judgeAdmissibleAnew } from '../rollouts/targets.js';
import { noSuchRollout, readRollout, refuseMoved } from './rollouts.js';
import type { RolloutView } from '../rollouts/view.js';

/**
 * What a person asks of a rollout, under the lock of its row. A command that finds its work done is a success.
 * @param expected the versions that the rollout may be at (`If-Match`); absent = any
 * @throws DomainError ROLLOUT_NOT_FOUND, ROLLOUT_STATE with the sentence that says why not and when it would be,
 * ROLLOUT_CONFLICT, REQUEST_PRECONDITION_FAILED, AUTH_FORBIDDEN where the plan sets four eyes
 */
export async function commandRollout(
  tx: Tx,
  tenantId: string,
  id: string,
  person: Person,
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
  const { after: done, data } = await carryOut(tx, rollout, person, command, now);
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
        data: { by: `operator:${person.id}`, version: after.version, ...data },
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

async function carryOut(tx: Tx, rollout: StoredRollout, person: Person, command: Command, now: number): Promise<Done> {
  const { facts } = rollout;
  const by = person.id;
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
      const [reason, next] = resume(rollout, command.reason, person, now);
      const { comment } = command;
      return to(next, { reason, ...(comment === undefined ? {} : { comment }) });
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
      return to(approved(rollout, by, command.group, now), { group: command.group });
    case 'reject':
      return to(rejected(rollout, by, command.group, command.because, now), {
        group: command.group,
        because: command.because,
      });
    case 'amend':
      return amend(tx, rollout, command.amendment, person, now);
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
  const count = await beginWork(tx, rollout, { do: 'retry', positions, outcomes }, now);
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
  const seenBefore = now - rollout.plan.pace.awayAfter;
  // A group has to be open for as long, too: before that none of its targets is called away.
  if (group.openedAt > seenBefore) return { after: rollout, data: {} };
  const because = `it was away, and ${by} skipped it`;
  const position = facts.groups.indexOf(group);
  const count = await beginWork(tx, rollout, { do: 'skip', position, because, seenBefore }, now);
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

async function amend(tx: Tx, rollout: StoredRollout, amendment: Amendment, by: Person, now: number): Promise<Done> {
  const { after, loosened } = amended(rollout, amendment, by, now);
  if (after.plan.pace.offline !== rollout.plan.pace.offline) await judgeAdmissibleAnew(tx, rollout);
  // What it had instead: two versions can be compared from the history alone.
  const replaced = amendmentOf(after.plan, rollout.plan);
  return {
    after,
    data: { amendment, ...(replaced ? { replaced } : {}), ...(loosened.length > 0 ? { loosens: loosened } : {}) },
  };
}

/**
 * Ends one pause. To go on despite a gate or a stop rule loosens the plan. The pause for votes that were voided ends
 * with these votes, and not by a command.
 */
function resume(
  { facts, plan, version, createdBy }: StoredRollout,
  named: string | null,
  by: Person,
  now: number,
): [Pause['reason'], RolloutFacts] {
  const reason = reasonToRemove(facts, named);
  const lacking = reason === 'approval' ? whyNotWithoutVotes(facts, plan) : undefined;
  if (lacking !== undefined) throw new DomainError('ROLLOUT_STATE', lacking);
  if (!isOverride(reason)) return [reason, resumed(facts, plan, reason, by.id, now)];
  const what = `resuming despite ${reason}`;
  const refused = whyNotLoosen(plan, createdBy, by, what);
  if (refused !== undefined) throw new DomainError('AUTH_FORBIDDEN', refused);
  const loosened = loosenedBy(facts, { plan, version }, by.id, `${what} loosens version ${version}`, now);
  return [reason, resumed(loosened, plan, reason, by.id, now)];
}
