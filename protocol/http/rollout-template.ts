import { z } from 'zod';
import type { Fault } from '../../domain/errors.js';
import { printDuration } from '../../domain/duration.js';
import { id, namePart, timestamp } from './envelope.js';
import { applyMergePatch } from './merge-patch.js';
import { newRollout, PLAN_EXAMPLE } from './rollout-plan.js';

/** docs/contracts/rollouts.md: plans to reuse. A template holds any part of a plan, as a client would send it. */
const { steps, groups, pace } = PLAN_EXAMPLE;
const example = { name: 'carefully', groups, pace };

/** A part of a plan. What it lacks, a rollout that names it must send. */
export const newTemplate = newRollout
  .omit({ templateId: true })
  .partial({ steps: true, targets: true })
  .meta({ id: 'NewRolloutTemplate', description: 'A name, and any members of a plan', example });

/** A parsed template: durations are milliseconds, times epoch milliseconds. */
export type NewTemplate = z.output<typeof newTemplate>;

/** A template as it is answered: members of its plan beside its own. */
export const template = z.looseObject({ id, name: z.string(), createdBy: z.string(), createdAt: timestamp }).meta({
  id: 'RolloutTemplate',
  description: 'Beside these members: each member of a plan that it holds, as it was sent',
  example: {
    id: '123e4567-e89b-12d3-a456-426655440020',
    ...example,
    createdBy: 'key:admin',
    createdAt: '2026-11-20T08:00:00.000Z',
  },
});

/** The filters of the list, as members of its query. */
export const templateFilters = {
  q: namePart,
};

/** Members of a plan, at any depth, that are durations: parsed they are milliseconds. */
const DURATIONS = new Set([
  'soak',
  'awayAfter',
  'expiresAfter',
  'first',
  'max',
  'offer',
  'download',
  'install',
  'confirm',
  'target',
]);

/**
 * A body that was parsed, as JSON that says the same. What is null or left out says nothing of its own in a template.
 */
export function asSent(parsed: NewTemplate): TemplatePlan {
  return JSON.parse(
    JSON.stringify(parsed, (key, value: unknown) =>
      typeof value === 'number' && DURATIONS.has(key) ? printDuration(value) : value,
    ),
  ) as TemplatePlan;
}

/** Members of a plan as JSON that says what was sent: durations are ISO 8601 (`asSent`). */
export type TemplatePlan = { readonly name: string } & Readonly<Record<string, unknown>>;

/**
 * What a rollout is made of that is created from a template: each member that it gives itself, and the template's where
 * it gives none; null in it asks for the default. Objects are put together, lists are taken as a whole, and so are
 * targets: devices that are named are not to be joined by all those that a template's filter matches.
 * @returns the body, to be parsed as a whole, and pointers to what the template gave.
 */
export function withTemplate(
  of: TemplatePlan,
  given: Readonly<Record<string, unknown>>,
): { body: unknown; taken: string[] } {
  const { targets, ...own } = given;
  const merged = applyMergePatch(of, own) as Record<string, unknown>;
  return { body: targets === undefined ? merged : { ...merged, targets }, taken: takenFrom(of, given, '') };
}

function takenFrom(
  of: Readonly<Record<string, unknown>>,
  given: Readonly<Record<string, unknown>>,
  at: string,
): string[] {
  return Object.entries(of).flatMap(([key, value]) => {
    const pointer = `${at}/${key}`;
    const own = given[key];
    if (value === null || own === null) return [];
    if (!isObject(value) || pointer === '/targets') return own === undefined ? [pointer] : [];
    return own === undefined ? takenFrom(value, {}, pointer) : isObject(own) ? takenFrom(value, own, pointer) : [];
  });
}

/**
 * Of the faults that a plan has in which defaults stand in for what a template leaves out, those that are the
 * template's own.
 */
export function faultsOfTemplate(of: TemplatePlan, faults: readonly Fault[]): Fault[] {
  return faults.filter(({ pointer }) => gives(of, pointer.split('/').slice(1)));
}

/** What lies below a list belongs to the list: a member that is missing there is missing for good. */
function gives(value: unknown, [key, ...rest]: readonly string[]): boolean {
  if (Array.isArray(value)) return true;
  if (key === undefined) return value !== undefined;
  return isObject(value) && gives(value[key], rest);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Only to be checked: what it installs, and where, is not the template's question. */
export function standIn(body: NewTemplate): z.output<typeof newRollout> {
  return { ...body, steps: body.steps ?? steps, targets: body.targets ?? { filter: 'id==*' } };
}

/** A template as the store knows it. */
export interface PrintableTemplate {
  readonly id: string;
  readonly plan: TemplatePlan;
  readonly createdBy: string;
  /** Epoch milliseconds. */
  readonly createdAt: number;
}

/** The members of the plan stand beside those of the template. */
export function printTemplate({ id: of, plan, createdBy, createdAt }: PrintableTemplate): z.input<typeof template> {
  return { id: of, ...plan, createdBy, createdAt: new Date(createdAt).toISOString() };
}
