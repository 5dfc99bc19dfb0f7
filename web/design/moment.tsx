import type { ReactNode } from 'react';
import { localZone, useZone } from './clock.js';
import { Field } from './field.js';
import { asInput, fromInput } from './moments.js';

/** A moment that one types, in the zone in which times are shown. @param value RFC 3339; '' = none */
export function Moment({
  label,
  value,
  fault,
  onMoment,
}: {
  readonly label: string;
  readonly value: string;
  readonly fault?: string | undefined;
  readonly onMoment: (value: string) => void;
}): ReactNode {
  const zone = useZone();
  return (
    <Field
      label={label}
      hint={zone === 'utc' ? 'UTC' : localZone()}
      fault={fault}
      type="datetime-local"
      value={asInput(value, zone)}
      onChange={({ target }) => onMoment(fromInput(target.value, zone))}
    />
  );
}
