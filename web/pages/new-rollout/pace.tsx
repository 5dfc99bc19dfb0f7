import type { ReactNode } from 'react';
import { Check } from '../../design/field.js';
import { Moment } from '../../design/moment.js';
import { Sheet } from '../../design/page.js';
import { faultAt } from '../../service/request.js';
import { printed, valueAt, withAt } from '../plan/body.js';
import { PlanChoice, PlanField, type Form } from '../plan/plan-field.js';

const NO_RULE = 'none';
const RULES = [
  ['', 'pause at 10 % failures, judged after 10 (default)'],
  ['own', 'a rule of its own'],
  [NO_RULE, 'no rule: only the gates'],
] as const;

/** How fast it goes, when it stops by itself, when it begins, and who has to agree. */
export function Pace({ form }: { readonly form: Form }): ReactNode {
  return (
    <>
      <Sheet title="3. Pace">
        <div className="columns">
          <PlanField form={form} at="/pace/maxInFlight" label="At once, at most" kind="number" byDefault="100" />
          <PlanField form={form} at="/pace/startsPerMinute" label="Starts a minute" kind="number" byDefault="1000" />
          <PlanChoice
            form={form}
            at="/pace/offline"
            label="Devices that are offline"
            options={[
              ['', 'are waited for (default)'],
              ['offer', 'are offered it all the same'],
            ]}
          />
        </div>
      </Sheet>
      <Sheet title="4. When it stops by itself">
        <Stop form={form} />
      </Sheet>
      <Sheet title="5. When, and who agrees">
        <div className="stack">
          <div className="columns">
            <At form={form} at="/schedule/startAt" label="Begins by itself at" />
            <At form={form} at="/schedule/endAt" label="Nothing begins after" />
            <PlanField
              form={form}
              at="/approval/required"
              label="Votes before it starts"
              kind="number"
              byDefault="0"
              hint="Persons who must approve it."
            />
          </div>
          <Yes form={form} at="/approval/fourEyes" label="Four eyes" hint="Who created it approves nothing of it." />
          <Yes
            form={form}
            at="/allowDowngrade"
            label="Allow a downgrade"
            hint="Without this, a device that holds a newer version is skipped."
          />
        </div>
      </Sheet>
    </>
  );
}

function Stop({ form }: { readonly form: Form }): ReactNode {
  const { body, onBody } = form;
  const rules = body['stopIf'];
  const which = !Array.isArray(rules) ? '' : rules.length === 0 ? NO_RULE : 'own';
  const own = { outcome: 'any', share: 0.05, after: 20, then: 'pause' };
  return (
    <div className="stack">
      <PlanChoice
        form={{
          ...form,
          body: { which: which === '' ? undefined : which },
          onBody: ({ which: next }) =>
            onBody(withAt(body, '/stopIf', next === undefined ? undefined : next === NO_RULE ? [] : [own])),
        }}
        at="/which"
        label="Stop rule"
        options={RULES}
      />
      {which === 'own' ? (
        <div className="columns">
          <PlanField form={form} at="/stopIf/0/share" label="Failures, %" kind="share" />
          <PlanField form={form} at="/stopIf/0/after" label="Judged after so many ended" kind="number" byDefault="10" />
          <PlanChoice
            form={form}
            at="/stopIf/0/then"
            label="Then it"
            options={[
              ['pause', 'pauses'],
              ['abort', 'aborts'],
              ['rollBack', 'rolls back'],
            ]}
          />
        </div>
      ) : null}
      {Array.isArray(rules) && rules.length > 1 ? (
        <p className="hint">It has {rules.length} rules; the others are in its YAML.</p>
      ) : null}
    </div>
  );
}

function At({
  form: { body, onBody, error },
  at,
  label,
}: {
  readonly form: Form;
  readonly at: string;
  readonly label: string;
}): ReactNode {
  return (
    <Moment
      label={label}
      value={printed(valueAt(body, at))}
      fault={faultAt(error, at)}
      onMoment={(value) => onBody(withAt(body, at, value === '' ? undefined : value))}
    />
  );
}

function Yes({
  form: { body, onBody },
  at,
  label,
  hint,
}: {
  readonly form: Form;
  readonly at: string;
  readonly label: string;
  readonly hint: string;
}): ReactNode {
  return (
    <Check
      label={label}
      hint={hint}
      checked={valueAt(body, at) === true}
      onCheck={(is) => onBody(withAt(body, at, is ? true : undefined))}
    />
  );
}
