import { useState, type FormEvent, type ReactNode } from 'react';
import { QUOTAS, type Quota } from '../../../domain/tenant.js';
import { Button } from '../../design/button.js';
import { Dialog } from '../../design/dialog.js';
import { Field } from '../../design/field.js';
import { Fault } from '../../design/notice.js';
import { inWords } from '../../design/tones.js';
import { useChange } from '../../service/queries.js';
import { faultAt } from '../../service/request.js';
import type { One, Tenant } from '../../service/types.js';

type Texts = Readonly<Record<Quota, string>>;

/** Bounds of a tenant. An empty one is taken away. */
export function Quotas({
  of,
  path,
  onClose,
}: {
  readonly of: Tenant;
  readonly path: string;
  readonly onClose: () => void;
}): ReactNode {
  const [texts, setTexts] = useState<Texts>(
    () => Object.fromEntries(QUOTAS.map((name) => [name, String(of.quotas[name] ?? '')])) as Texts,
  );
  const save = useChange<One<Tenant>>(
    () => ({
      path,
      method: 'PATCH',
      body: { quotas: Object.fromEntries(QUOTAS.map((name) => [name, boundOf(texts[name])])) },
    }),
    ['tenants'],
  );
  return (
    <Dialog title={`Bounds of ${of.id}`} onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          if (!save.isPending) save.mutate(undefined, { onSuccess: onClose });
        }}
      >
        <p className="quiet">What is empty is not bounded. What is there already stays, also above a bound.</p>
        <div className="columns">
          {QUOTAS.map((name) => (
            <Field
              key={name}
              label={inWords(name)}
              inputMode="numeric"
              value={texts[name]}
              fault={faultAt(save.error, `/quotas/${name}`)}
              onChange={({ target }) => setTexts({ ...texts, [name]: target.value })}
            />
          ))}
        </div>
        {save.error ? <Fault error={save.error} /> : null}
        <div className="row">
          <Button look="first" type="submit" busy={save.isPending}>
            Save
          </Button>
          <Button onPress={onClose}>Close</Button>
        </div>
      </form>
    </Dialog>
  );
}

/** What is no number is sent as it is: the service says what is wrong with it. */
function boundOf(text: string): number | string | null {
  const typed = text.trim();
  if (typed === '') return null;
  return /^\d+$/.test(typed) ? Number(typed) : typed;
}
