import { PROFILES } from '../simulator/profiles.js';
import type { CrowdDevice } from './crowd.js';
import { badOf, installedOf, type GroupResource, type RolloutResource, type TargetResource } from './rollout-resource.js';
import { seconds } from './terminal.js';

/** One device of the rollout at the end: what the service says of it, and what its disk says. */
export interface Checked {
  readonly device: Pick<CrowdDevice, 'id' | 'group' | 'profile'>;
  readonly target: TargetResource;
  /** Its slot's file is the new content. */
  readonly isNew: boolean;
  /** The new content was ever written into its slot. */
  readonly wasTouched: boolean;
  /** Installations of the rollout on this device, as their list says. */
  readonly installations: number;
}

/** What is not as a good rollout leaves it, a sentence each: every device came to the end of its profile, and its disk says the same. */
export function faultsOfRollout(rollout: RolloutResource, all: readonly Checked[]): string[] {
  const wrong = all.flatMap(({ device, target, isNew }) => {
    const expected = PROFILES[device.profile].expected.state;
    if (target.state !== expected) return [`device ${device.id} (${device.profile}) should have ended as ${expected}, and is ${target.state}`];
    return isNew === (target.state === 'installed') ? [] : [`the service says that device ${device.id} is ${target.state}, but its slot holds ${isNew ? 'the new content' : 'the old one'}`];
  });
  return [...(rollout.phase === 'finished' ? [] : [`the rollout should have finished, and is ${rollout.phase}`]), ...wrong];
}

/** What is not as a canary leaves it that stopped a bad version: exactly its own devices tried it, and nobody else heard of it. */
export function faultsOfCanary(rollout: RolloutResource, all: readonly Checked[]): string[] {
  const [canary] = rollout.groups;
  const wrong = all.flatMap(({ device, target, isNew, wasTouched, installations }) => {
    if (isNew) return [`device ${device.id} holds the bad version`];
    if (device.group === canary!.name) {
      return target.state === 'failed' && wasTouched && installations === 1 ? [] : [`device ${device.id} of the canary should have tried it once and failed, and is ${target.state} after ${installations} installations`];
    }
    return target.state === 'pending' && !wasTouched && installations === 0 ? [] : [`device ${device.id} of group ${device.group} should not have been touched, and is ${target.state} after ${installations} installations`];
  });
  const stopped = rollout.pauses.some(({ reason }) => reason === 'failure_budget');
  return [...(rollout.phase === 'paused' && stopped ? [] : [`the failure budget should have paused the rollout, and it is ${rollout.phase}`]), ...wrong];
}

/** How it went, in sentences. */
export function summaryOf(rollout: RolloutResource): string[] {
  const took = endOf(rollout) - Date.parse(rollout.startedAt!);
  const size = rollout.groups.reduce((sum, group) => sum + group.size, 0);
  const bad = badOf(rollout);
  return [
    `"${rollout.name}": ${rollout.phase} ${seconds(took)} after its start; ${installedOf(rollout)} of ${size} devices hold the new version, ${bad === 0 ? 'none failed' : `${bad} failed or refused it`}${rollout.counters.pending === 0 ? '' : `, ${rollout.counters.pending} were not asked`}.`,
    ...rollout.groups.map((group) => `  ${group.name}: ${groupSentence(group)}`),
    `Why it ${rollout.phase === 'paused' ? 'stopped' : 'ended'}: ${reasonOf(rollout)}`,
  ];
}

function groupSentence(group: GroupResource): string {
  if (group.openedAt === null) return `never begun; none of its ${group.size} devices was touched.`;
  const decided = group.passedAt ?? group.failedAt;
  const how = decided === null ? group.state : `${group.state} ${seconds(Date.parse(decided) - Date.parse(group.openedAt))} after it began`;
  return `${installedOf(group)} of ${group.size} installed, ${badOf(group)} failed; ${how}: ${group.gate.because}.`;
}

/** The first pause is what stopped it; what came to it later follows from that. */
export function reasonOf({ phase, pauses, because }: RolloutResource): string {
  if (phase === 'finished') return 'every target has ended.';
  const first = [...pauses].sort((a, b) => Date.parse(a.since) - Date.parse(b.since))[0];
  return first ? `${first.because}.` : because;
}

function endOf({ finishedAt, abortedAt, pauses }: RolloutResource): number {
  const end = finishedAt ?? abortedAt ?? pauses.map(({ since }) => since).sort()[0];
  return end === undefined ? Date.now() : Date.parse(end);
}
