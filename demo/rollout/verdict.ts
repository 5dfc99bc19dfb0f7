import { PROFILES } from '../../agent/simulator/profiles.js';
import type { RolloutFleetDevice } from './rollout-fleet.js';
import {
  backOf,
  backSentence,
  badOf,
  canaryOf,
  installedOf,
  tookOf,
  type GroupResource,
  type RolloutResource,
  type TargetResource,
} from './resource.js';
import { seconds } from '../terminal/terminal.js';

/** One device of the rollout at the end: what the service says of it, and what its disk says. */
export interface Checked {
  readonly device: Pick<RolloutFleetDevice, 'id' | 'name' | 'group' | 'profile'>;
  readonly target: TargetResource;
  /** Its slot's file is the new content. */
  readonly isNew: boolean;
  /** … is what it came with. */
  readonly isOld: boolean;
  /** The new content was ever written into its slot. */
  readonly wasTouched: boolean;
  /** Installations of the rollout on this device, as their list says. */
  readonly installations: number;
}

/**
 * What is not as a good rollout leaves it, a sentence each: every device came to the end of its profile, and its disk
 * says the same.
 */
export function faultsOfRollout(rollout: RolloutResource, all: readonly Checked[]): string[] {
  const wrong = all.flatMap(({ device, target, isNew }) => {
    const expected = PROFILES[device.profile].expected.state;
    if (target.state !== expected)
      return [`device ${device.id} (${device.profile}) should have ended as ${expected}, and is ${target.state}`];
    return isNew === (target.state === 'installed')
      ? []
      : [
          `the service says that device ${device.id} is ${target.state}, but its slot holds ${isNew ? 'the new content' : 'the old one'}`,
        ];
  });
  return [
    ...(rollout.phase === 'finished' ? [] : [`the rollout should have finished, and is ${rollout.phase}`]),
    ...wrong,
  ];
}

/**
 * What is not as a canary leaves it that stopped a bad version: exactly its own devices tried it, and no other device
 * heard of it.
 */
export function faultsOfCanary(rollout: RolloutResource, all: readonly Checked[]): string[] {
  const canary = canaryOf(rollout);
  const wrong = all.flatMap(({ device, target, isNew, wasTouched, installations }) => {
    if (isNew) return [`device ${device.id} holds the bad version`];
    if (device.group === canary.name) {
      return target.state === 'failed' && wasTouched && installations === 1
        ? []
        : [
            `device ${device.id} of the canary should have tried it once and failed, and is ${target.state} after ${installations} installations`,
          ];
    }
    return target.state === 'pending' && !wasTouched && installations === 0
      ? []
      : [
          `device ${device.id} of group ${device.group} should not have been touched, and is ${target.state} after ${installations} installations`,
        ];
  });
  const stopped = rollout.pauses.some(({ reason }) => reason === 'failure_budget');
  return [
    ...(rollout.phase === 'paused' && stopped
      ? []
      : [`the failure budget should have paused the rollout, and it is ${rollout.phase}`]),
    ...wrong,
  ];
}

/**
 * What is not as a roll back leaves it: each device of the canary tried it and holds what it held before, one of them
 * at least because it was brought back, and no other device heard of it.
 */
export function faultsOfRollBack(rollout: RolloutResource, all: readonly Checked[]): string[] {
  const canary = canaryOf(rollout);
  const wrong = all.flatMap(({ device, target, isOld, wasTouched, installations }) => {
    const { name, group } = device;
    if (!isOld) return [`device ${name} does not hold its earlier content`];
    if (group !== canary.name)
      return !wasTouched && installations === 0
        ? []
        : [`device ${name} of group ${group} should not have been touched, and has ${installations} installations`];
    if (!wasTouched) return [`device ${name} of the canary never tried it`];
    return target.state !== 'installed' || target.rollBack?.state === 'rolledBack'
      ? []
      : [`the service says that device ${name} installed it and is ${target.rollBack?.state ?? 'not on its way back'}`];
  });
  const brought = all.some(({ target }) => target.rollBack?.state === 'rolledBack');
  return [
    ...(rollout.phase === 'aborted' ? [] : [`the rollout should have ended as aborted, and is ${rollout.phase}`]),
    ...(brought ? [] : ['no device was brought back']),
    ...wrong,
  ];
}

/** Which devices went back to what, and how. */
export function backSentences(all: readonly Checked[], version: string): string[] {
  const tried = all.filter(({ wasTouched }) => wasTouched);
  const brought = tried.filter(({ target }) => target.rollBack?.state === 'rolledBack');
  const names = (some: readonly Checked[]): string =>
    some
      .map(({ device }) => device.name)
      .sort()
      .join(', ');
  return [
    `Brought back to ${version} by an installation of their own: ${names(brought)}.`,
    `Booted back into ${version} by themselves: ${names(tried.filter((one) => !brought.includes(one)))}.`,
    `All ${tried.length} devices of the canary hold ${version} again; the other ${all.length - tried.length} held it all the time, and have no installation.`,
  ];
}

/** How it went, in sentences. */
export function summaryOf(rollout: RolloutResource): string[] {
  const sum = (of: (group: GroupResource) => number): number =>
    rollout.groups.reduce((total, group) => total + of(group), 0);
  const bad = sum(badOf);
  const unasked = sum((group) => (group.openedAt === null ? group.size : group.counters.pending));
  return [
    `"${rollout.name}": ${rollout.phase} ${seconds(tookOf(rollout))} after its start; ${sum((group) => installedOf(group) - backOf(group).done)} of ${sum((group) => group.size)} devices hold the new version, ${bad === 0 ? 'none failed' : `${bad} failed or refused it`}${unasked === 0 ? '' : `, ${unasked} were not asked`}.`,
    ...rollout.groups.map((group) => `  ${group.name}: ${groupSentence(group)}`),
    `Why it ${rollout.phase === 'paused' ? 'stopped' : 'ended'}: ${reasonOf(rollout)}`,
  ];
}

function groupSentence(group: GroupResource): string {
  if (group.openedAt === null) return `never begun; none of its ${group.size} devices was touched.`;
  const decided = group.passedAt ?? group.failedAt;
  const how =
    decided === null
      ? group.state
      : `${group.state} ${seconds(Date.parse(decided) - Date.parse(group.openedAt))} after it began`;
  return `${installedOf(group)} of ${group.size} installed, ${badOf(group)} failed; ${backSentence(group) ?? `${how}: ${group.gate.because}`}.`;
}

/** The first pause is what stopped it; what came to it later follows from that. */
export function reasonOf({ phase, pauses, because }: RolloutResource): string {
  if (phase === 'finished') return 'every target has ended.';
  const first = [...pauses].sort((a, b) => Date.parse(a.since) - Date.parse(b.since))[0];
  return first ? `${first.because}.` : because;
}
