import { useState, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { Confirm } from '../../design/confirm.js';
import { Field } from '../../design/field.js';
import { Fault } from '../../design/notice.js';
import { say } from '../../design/toast.js';
import { useChange, useWhyNot } from '../../service/queries.js';
import type { Enrolment, One } from '../../service/types.js';

/** Lets a device come, or not. The reason of a rejection stands in the audit. */
export function Decide({ of }: { readonly of: Enrolment }): ReactNode {
  const whyNot = useWhyNot('devices_base_data:write');
  const [comment, setComment] = useState('');
  const path = `/v1/enrolments/${of.id}`;
  const approve = useChange<One<Enrolment>>(
    () => ({ path: `${path}/approve`, method: 'POST', body: {} }),
    ['enrolments'],
  );
  const reject = useChange<One<Enrolment>>(
    () => ({
      path: `${path}/reject`,
      method: 'POST',
      body: comment.trim() === '' ? {} : { comment: comment.trim() },
    }),
    ['enrolments'],
  );
  return (
    <div className="row">
      <Button
        look="first"
        whyNot={whyNot}
        busy={approve.isPending}
        onPress={() =>
          approve.mutate(undefined, { onSuccess: () => say(`${of.serial} gets its certificate when it asks again.`) })
        }
      >
        Approve<span className="hidden-text"> {of.serial}</span>
      </Button>
      <Confirm
        words="Reject"
        of={of.serial}
        title={`Reject ${of.serial}`}
        change={reject}
        whyNot={whyNot}
        onDone={() => say('It is rejected.')}
      >
        <p>It gets no certificate, and its key is refused from now on.</p>
        <Field
          label="Reason, if you like"
          hint="It stands in the audit."
          maxLength={1_000}
          value={comment}
          onChange={({ target }) => setComment(target.value)}
        />
      </Confirm>
      {approve.error ? <Fault error={approve.error} /> : null}
    </div>
  );
}
