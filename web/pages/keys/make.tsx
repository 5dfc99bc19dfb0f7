import { useState, type FormEvent, type ReactNode } from 'react';
import { lacking, PERMISSIONS, permissionsOf, type Permission, type Role } from '../../../domain/permissions.js';
import { Button } from '../../design/button.js';
import { Dialog } from '../../design/dialog.js';
import { Check, Choice, Field } from '../../design/field.js';
import { Moment } from '../../design/moment.js';
import { Fault } from '../../design/notice.js';
import { useChange, useMe } from '../../service/queries.js';
import { faultAt } from '../../service/request.js';
import type { ApiKeyWithSecret, One } from '../../service/types.js';

const NAMED = 'named';
const GRANTS = [
  ['reader', 'Reader: sees the fleet and what runs on it'],
  ['writer', 'Writer: changes it, too, but approves no rollout'],
  ['owner', 'Owner: everything, with keys and settings'],
  [NAMED, 'Permissions, named one by one'],
] as const satisfies readonly (readonly [Role | typeof NAMED, string])[];
type Grant = (typeof GRANTS)[number][0];

/** Makes a key with a role, or with permissions that the operator holds. */
export function MakeKey({
  onClose,
  onMade,
}: {
  readonly onClose: () => void;
  readonly onMade: (key: ApiKeyWithSecret) => void;
}): ReactNode {
  const held = useMe()?.permissions ?? [];
  const [name, setName] = useState('');
  const [grant, setGrant] = useState<Grant>('reader');
  const [named, setNamed] = useState<readonly Permission[]>([]);
  const [end, setEnd] = useState('');
  const make = useChange<One<ApiKeyWithSecret>>(
    () => ({
      path: '/v1/api-keys',
      method: 'POST',
      body: {
        name: name.trim(),
        ...(grant === NAMED ? { permissions: named } : { role: grant }),
        ...(end === '' ? {} : { expiresAt: end }),
      },
    }),
    ['api keys'],
  );
  const excess = grant === NAMED ? undefined : lacking(held, permissionsOf(grant));
  const missing =
    name.trim() === ''
      ? 'Give the key a name: it stands in the history for what the key did.'
      : excess !== undefined
        ? `It needs the permission ${excess}, which you do not have: a key may do no more than its maker.`
        : grant === NAMED && named.length === 0
          ? 'Choose a permission.'
          : undefined;
  return (
    <Dialog title="Make a key" onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          if (missing === undefined && !make.isPending)
            make.mutate(undefined, { onSuccess: ({ data }) => onMade(data) });
        }}
      >
        <Field
          label="Name"
          autoFocus
          value={name}
          fault={faultAt(make.error, '/name')}
          hint="Of the person or the program."
          onChange={({ target }) => setName(target.value)}
        />
        <Choice<Grant> label="It may do" value={grant} options={GRANTS} onChoose={setGrant} />
        {grant === NAMED ? (
          <fieldset className="choices" tabIndex={0}>
            <legend>Those that you hold</legend>
            {PERMISSIONS.filter((one) => held.includes(one)).map((one) => (
              <Check
                key={one}
                label={one}
                checked={named.includes(one)}
                onCheck={(on) => setNamed(on ? [...named, one] : named.filter((other) => other !== one))}
              />
            ))}
          </fieldset>
        ) : null}
        <Moment label="Ends" value={end} fault={faultAt(make.error, '/expiresAt')} onMoment={setEnd} />
        {make.error ? <Fault error={make.error} /> : null}
        <div className="row">
          <Button look="first" type="submit" whyNot={missing} busy={make.isPending}>
            Make the key
          </Button>
          <Button onPress={onClose}>Close</Button>
        </div>
      </form>
    </Dialog>
  );
}
