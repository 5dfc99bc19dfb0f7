import { useState, type ReactNode } from 'react';
import { Choice, Field } from '../../design/field.js';
import { faultAt } from '../../service/request.js';
import { asNumber, asShare, asText, printed, printedShare, valueAt, withAt, type Body } from './body.js';

/** What a field needs of the form around it. */
export interface Form {
  readonly body: Body;
  readonly onBody: (body: Body) => void;
  /** The refusal of the service, whose faults stand at their fields. */
  readonly error: Error | null;
}

const KINDS = {
  text: { read: asText, print: printed },
  number: { read: asNumber, print: printed },
  share: { read: asShare, print: printedShare },
} as const;

/** One member of a plan. Empty = its default, which the field shows as what it is. */
export function PlanField({
  form: { body, onBody, error },
  at,
  label,
  kind = 'text',
  byDefault,
  hint,
}: {
  readonly form: Form;
  /** JSON pointer. */
  readonly at: string;
  readonly label: string;
  readonly kind?: keyof typeof KINDS;
  /** What it is where nothing is typed. */
  readonly byDefault?: string;
  readonly hint?: string;
}): ReactNode {
  const { read, print } = KINDS[kind];
  const value = valueAt(body, at);
  const [typed, setTyped] = useState('');
  // "98." is on its way to "98.5": as long as it says the same, it stays as it was typed.
  const text = read(typed) === value ? typed : print(value);
  return (
    <Field
      label={label}
      value={text}
      hint={hint}
      placeholder={byDefault === undefined ? undefined : `${byDefault} (default)`}
      spellCheck={false}
      autoComplete="off"
      inputMode={kind === 'text' ? undefined : 'decimal'}
      fault={faultAt(error, at)}
      onChange={({ target }) => {
        setTyped(target.value);
        onBody(withAt(body, at, read(target.value)));
      }}
    />
  );
}

/** A choice of a plan. '' = its default. */
export function PlanChoice({
  form: { body, onBody },
  at,
  label,
  options,
}: {
  readonly form: Form;
  readonly at: string;
  readonly label: string;
  readonly options: readonly (readonly [value: string, words: string])[];
}): ReactNode {
  return (
    <Choice
      label={label}
      value={printed(valueAt(body, at))}
      options={options}
      onChoose={(value) => onBody(withAt(body, at, value === '' ? undefined : value))}
    />
  );
}
