import { useState, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { Dialog } from '../../design/dialog.js';
import { Field } from '../../design/field.js';
import { Fault } from '../../design/notice.js';
import { say } from '../../design/toast.js';
import { useChange } from '../../service/queries.js';
import type { Approval } from '../../service/types.js';
import { ifMatch } from '../rollout/commands.js';

/** What is voted on: a rollout (`group` null) or one of its groups, as it is planned in this version. */
export type Ballot = Pick<Approval, 'rolloutId' | 'name' | 'version' | 'group'>;

/** Asks before a vote is given, for the version of the plan that was looked at. A rejection takes a reason. */
export function VoteDialog({
  on,
  how,
  onClose,
}: {
  readonly on: Ballot;
  readonly how: 'approve' | 'reject';
  readonly onClose: () => void;
}): ReactNode {
  // What is amended while the dialog is open was not looked at.
  const [{ rolloutId, name, version, group }] = useState(on);
  const [reason, setReason] = useState('');
  const path = `/v1/rollouts/${rolloutId}${group === null ? '' : `/groups/${group}`}/${how}`;
  const vote = useChange<unknown>(
    () => ({
      path,
      method: 'POST',
      headers: ifMatch(version),
      body: how === 'reject' ? { reason: reason.trim() } : {},
    }),
    [`rollout:${rolloutId}`, 'rollouts', 'summary'],
  );
  const what = group === null ? name : `group ${group} of ${name}`;
  const missing = how === 'reject' && reason.trim() === '' ? 'Write the reason of the rejection.' : undefined;
  return (
    <Dialog title={how === 'approve' ? `Approve ${what}` : `Reject ${what}`} onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (missing !== undefined || vote.isPending) return;
          vote.mutate(undefined, {
            onSuccess() {
              say(how === 'approve' ? `You approved ${what}.` : `You rejected ${what}.`);
              onClose();
            },
          });
        }}
      >
        <p>{SAYS[how](version, group === null)}</p>
        {how === 'reject' ? (
          <Field
            label="Reason"
            hint="It stands in the history, and the rollout says it."
            value={reason}
            maxLength={255}
            onChange={({ target }) => setReason(target.value)}
          />
        ) : null}
        {vote.error ? <Fault error={vote.error} /> : null}
        <div className="row">
          <Button type="submit" look={how === 'approve' ? 'first' : 'danger'} whyNot={missing} busy={vote.isPending}>
            {how === 'approve' ? 'Approve' : 'Reject'}
          </Button>
          <Button onPress={onClose}>Close</Button>
        </div>
      </form>
    </Dialog>
  );
}

const SAYS = {
  approve: (version: number) =>
    `Your vote is for version ${version} of the plan. An amendment that loosens it voids the vote.`,
  reject: (_version: number, isWhole: boolean) =>
    isWhole ? 'The rollout ends as aborted.' : 'The rollout pauses. Resuming it requests the approval again.',
} as const;
