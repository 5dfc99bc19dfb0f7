import { useState, type FormEvent, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { Dialog } from '../../design/dialog.js';
import { Check, Field } from '../../design/field.js';
import { Moment } from '../../design/moment.js';
import { Fault } from '../../design/notice.js';
import { useChange } from '../../service/queries.js';
import { faultAt } from '../../service/request.js';
import type { EnrolmentTokenWithSecret, One } from '../../service/types.js';
import { TypeChoice, useTypeChoice } from './type-choice.js';

/** A batch is delivered and switched on within a month, as a rule. */
const USUAL_MS = 30 * 86_400_000;

/** Makes a token for a batch of devices of one type. */
export function MakeToken({
  onClose,
  onMade,
}: {
  readonly onClose: () => void;
  readonly onMade: (token: EnrolmentTokenWithSecret) => void;
}): ReactNode {
  const [name, setName] = useState('');
  const [uses, setUses] = useState('50');
  const [end, setEnd] = useState(() => new Date(Date.now() + USUAL_MS).toISOString());
  const [isManual, setManual] = useState(false);
  const choice = useTypeChoice();
  const make = useChange<One<EnrolmentTokenWithSecret>>(
    () => ({
      path: '/v1/enrolment-tokens',
      method: 'POST',
      body: {
        ...(name.trim() === '' ? {} : { name: name.trim() }),
        deviceTypeId: choice.typeId,
        // What is no number is sent as it is: the service says what is wrong with it.
        uses: /^\d+$/.test(uses.trim()) ? Number(uses) : uses,
        expiresAt: end,
        approval: isManual ? 'manual' : 'auto',
      },
    }),
    ['enrolments'],
  );
  const missing = choice.missing ?? (end === '' ? 'Say until when it works.' : undefined);
  return (
    <Dialog title="Make a token" onClose={onClose}>
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
          hint="Of the batch. It may be empty."
          value={name}
          fault={faultAt(make.error, '/name')}
          onChange={({ target }) => setName(target.value)}
        />
        <TypeChoice of={choice} />
        <Field
          label="Devices, at most"
          inputMode="numeric"
          value={uses}
          fault={faultAt(make.error, '/uses')}
          onChange={({ target }) => setUses(target.value)}
        />
        <Moment label="Ends" value={end} fault={faultAt(make.error, '/expiresAt')} onMoment={setEnd} />
        <Check
          label="Each device waits for approval"
          hint="Without this, a device that knows the token comes at once."
          checked={isManual}
          onCheck={setManual}
        />
        {make.error ? <Fault error={make.error} /> : null}
        <div className="row">
          <Button look="first" type="submit" whyNot={missing} busy={make.isPending}>
            Make the token
          </Button>
          <Button onPress={onClose}>Close</Button>
        </div>
      </form>
    </Dialog>
  );
}
