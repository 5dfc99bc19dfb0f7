import { useState, type FormEvent, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { Dialog } from '../../design/dialog.js';
import { Field } from '../../design/field.js';
import { Fault } from '../../design/notice.js';
import { say } from '../../design/toast.js';
import { useChange } from '../../service/queries.js';
import { faultAt } from '../../service/request.js';
import type { Enrolment, One } from '../../service/types.js';
import { TypeChoice, useTypeChoice } from './type-choice.js';

/** Announces a device by its serial number: it then comes without approval. */
export function Announce({ onClose }: { readonly onClose: () => void }): ReactNode {
  const [serial, setSerial] = useState('');
  const choice = useTypeChoice();
  const announce = useChange<One<Enrolment>>(
    () => ({
      path: '/v1/enrolments/preauthorised',
      method: 'POST',
      body: { serial: serial.trim(), deviceTypeId: choice.typeId },
    }),
    ['enrolments'],
  );
  const missing = serial.trim() === '' ? 'Give its serial number.' : choice.missing;
  return (
    <Dialog title="Announce a device" onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          if (missing !== undefined || announce.isPending) return;
          announce.mutate(undefined, {
            onSuccess: () => {
              say('It needs no approval when it comes.');
              onClose();
            },
          });
        }}
      >
        <p className="quiet">
          With a token it needs no approval then. A device that is enrolled already may come once more, with another
          key: revoke its old certificate.
        </p>
        <Field
          label="Serial number"
          autoFocus
          spellCheck={false}
          value={serial}
          fault={faultAt(announce.error, '/serial')}
          onChange={({ target }) => setSerial(target.value)}
        />
        <TypeChoice of={choice} />
        {announce.error ? <Fault error={announce.error} /> : null}
        <div className="row">
          <Button look="first" type="submit" whyNot={missing} busy={announce.isPending}>
            Announce
          </Button>
          <Button onPress={onClose}>Close</Button>
        </div>
      </form>
    </Dialog>
  );
}
