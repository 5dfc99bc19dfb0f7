import type { ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { Choice } from '../../design/field.js';
import { Sheet } from '../../design/page.js';
import { valueAt, withAt, type Body } from '../plan/body.js';
import { PlanField, type Form } from '../plan/plan-field.js';

/** What a plan without groups of its own gets (domain/rollout/plan.ts), to begin with when one changes them. */
const USUAL: readonly Body[] = [{ name: 'canary', percent: 1 }, { name: 'early', percent: 10 }, { name: 'rest' }];

const KINDS = ['percent', 'count', 'filter'] as const;
type Kind = (typeof KINDS)[number] | 'rest';
const WORDS = [
  ['percent', 'a share of all'],
  ['count', 'so many devices'],
  ['filter', 'those that match'],
  ['rest', 'all that are left'],
] as const satisfies readonly (readonly [Kind, string])[];
/** What a group begins with when its kind is chosen. */
const BEGINS = { percent: 10, count: 10, filter: 'tag==canary', rest: undefined } as const satisfies Record<
  Kind,
  unknown
>;

/** Groups in their order: who is in each, and what its gate asks before the next one begins. */
export function Groups({ form }: { readonly form: Form }): ReactNode {
  const { body, onBody } = form;
  const groups = groupsOf(body);
  return (
    <Sheet
      title="2. Groups"
      aside={
        groups === undefined ? (
          <Button onPress={() => onBody(withAt(body, '/groups', USUAL))}>Change them…</Button>
        ) : (
          <Button onPress={() => onBody(withAt(body, '/groups', undefined))}>Take the default</Button>
        )
      }
    >
      {groups === undefined ? (
        <p>
          By default: a canary of 1 %, then 10 %, then the rest. Each begins when 95 % of the one before have it, judged
          once all of them have ended.
        </p>
      ) : (
        <div className="stack">
          {groups.map((_group, index) => (
            <Line
              // A group has no other identity than its place in the order.
              key={index}
              form={form}
              index={index}
              onRemove={() =>
                onBody(
                  withAt(
                    body,
                    '/groups',
                    groups.length === 1 ? undefined : groups.filter((_one, other) => other !== index),
                  ),
                )
              }
            />
          ))}
          <div>
            <Button
              onPress={() =>
                onBody(
                  withAt(body, '/groups', [
                    ...groups.slice(0, -1),
                    { name: `group-${groups.length}`, percent: 10 },
                    ...groups.slice(-1),
                  ]),
                )
              }
            >
              Add a group
            </Button>
          </div>
        </div>
      )}
    </Sheet>
  );
}

function groupsOf(body: Body): readonly Body[] | undefined {
  const groups = body['groups'];
  return Array.isArray(groups) ? (groups as readonly Body[]) : undefined;
}

function Line({
  form,
  index,
  onRemove,
}: {
  readonly form: Form;
  readonly index: number;
  readonly onRemove: () => void;
}): ReactNode {
  const { body, onBody } = form;
  const at = `/groups/${index}`;
  const kind: Kind = KINDS.find((one) => valueAt(body, `${at}/${one}`) !== undefined) ?? 'rest';
  const choose = (next: Kind): void => {
    const cleared = KINDS.reduce((so, one) => withAt(so, `${at}/${one}`, undefined), body);
    onBody(next === 'rest' ? cleared : withAt(cleared, `${at}/${next}`, BEGINS[next]));
  };
  return (
    <fieldset className="plain-set group-line">
      <legend>Group {index + 1}</legend>
      <PlanField form={form} at={`${at}/name`} label={`Name of group ${index + 1}`} />
      <Choice<Kind> label={`Who is in group ${index + 1}`} value={kind} options={WORDS} onChoose={choose} />
      {kind === 'percent' ? <PlanField form={form} at={`${at}/percent`} label="Percent" kind="number" /> : null}
      {kind === 'count' ? <PlanField form={form} at={`${at}/count`} label="Devices" kind="number" /> : null}
      {kind === 'filter' ? <PlanField form={form} at={`${at}/filter`} label="Filter" /> : null}
      <PlanField form={form} at={`${at}/gate/minSuccess`} label="Must succeed, %" kind="share" byDefault="95" />
      <PlanField form={form} at={`${at}/gate/minSample`} label="Judged after" kind="number" byDefault="all" />
      <PlanField form={form} at={`${at}/soak`} label="Soak" byDefault="PT0S" />
      <PlanField form={form} at={`${at}/approval/required`} label="Votes after it" kind="number" byDefault="0" />
      <div>
        <Button onPress={onRemove}>
          Remove<span className="hidden-text"> group {index + 1}</span>
        </Button>
      </div>
    </fieldset>
  );
}
