/**
 * What people can do, as `action` of an audit entry says it: `<resource>.<what>`. Actions are added and never renamed:
 * what is written stays.
 */
export const ACTIONS = [
  'firmware.create',
  'firmware.attach_blob',
  'firmware.delete',
  'device_type.create',
  'device_type.change',
  'device_type.delete',
  'association.create',
  'association.delete',
  'device.create',
  'device.change',
  'device.delete',
  'credential.create',
  'credential.revoke',
  'certificate.create',
  'certificate.change',
  'certificate.delete',
  'enrolment_token.create',
  'enrolment_token.revoke',
  'enrolment.issue',
  'enrolment.approve',
  'enrolment.reject',
  'enrolment.preauthorise',
  'installation.create',
  'installation.report',
  'installation.cancel',
  'installation.release',
  'installation.retry',
  'rollout.create',
  'rollout.amend',
  'rollout.delete',
  'rollout.start',
  'rollout.pause',
  'rollout.resume',
  'rollout.abort',
  'rollout.rollback',
  'rollout.retry',
  'rollout.approve',
  'rollout.reject',
  'rollout.approve_group',
  'rollout.skip_group',
  'rollout.reject_group',
  'template.create',
  'template.delete',
  'webhook.create',
  'webhook.change',
  'webhook.delete',
  'webhook.redeliver',
  'api_key.create',
  'api_key.change',
  'api_key.revoke',
  'api_key.rotate',
  'tenant.create',
  'tenant.change',
  'tenant.delete',
  'hawkbit.change',
  'job.import',
  'job.bulk',
  'job.cancel',
  'job.delete_result',
  'permission.refuse',
] as const;

/** One of the closed list. */
export type Action = (typeof ACTIONS)[number];

/** What actions are about: the part of the action before the dot. */
export type Resource = Action extends `${infer Kind}.${string}` ? Kind : never;

/** @returns `device` of `device.create` */
export function resourceOf(action: Action): Resource {
  return action.slice(0, action.indexOf('.')) as Resource;
}

/** A resource as the audit shows it: no secret is among its members. */
export type Shown = Readonly<Record<string, unknown>>;

/** What an act changed: members that differ, or all of them where the resource came or went. */
export interface Effect {
  readonly before?: Shown;
  readonly after?: Shown;
}

/** @param before undefined = it was not there; @param after undefined = it is gone */
export function effectOf(before: Shown | undefined, after: Shown | undefined): Effect {
  if (before === undefined || after === undefined)
    return { ...(before && { before: present(before) }), ...(after && { after: present(after) }) };
  const [was, is] = differing(before, after);
  return Object.keys(was).length + Object.keys(is).length === 0 ? {} : { before: was, after: is };
}

/** Members that differ, on both sides; objects member by member, so that a long plan shows the line that changed. */
function differing(before: Shown, after: Shown): [Shown, Shown] {
  const was: Record<string, unknown> = {};
  const is: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [one, other] = [before[name] ?? null, after[name] ?? null];
    if (JSON.stringify(one) === JSON.stringify(other)) continue;
    [was[name], is[name]] = isPlain(one) && isPlain(other) ? differing(one, other) : [one, other];
  }
  return [was, is];
}

function isPlain(value: unknown): value is Shown {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function present(shown: Shown): Shown {
  return Object.fromEntries(Object.entries(shown).filter(([, value]) => value !== null));
}
