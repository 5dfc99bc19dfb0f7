import { useNavigate } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { RETRYABLE_OUTCOMES, type RetryableOutcome } from '../../../domain/rollout/commands.js';
import { Button } from '../../design/button.js';
import { Dialog } from '../../design/dialog.js';
import { Check, Choice, Field } from '../../design/field.js';
import { Fault } from '../../design/notice.js';
import { say } from '../../design/toast.js';
import { inWords } from '../../design/tones.js';
import { useChange } from '../../service/queries.js';
import type { Rollout } from '../../service/types.js';
import { ifMatch, needsComment, WORDS, type Asked, type PauseReason } from './commands.js';
import { targetWords } from './counters.js';

/** What is chosen in the dialog. */
interface Chosen {
  readonly text: string;
  readonly cancelOpen: boolean;
  readonly outcomes: readonly RetryableOutcome[];
  readonly reason: PauseReason | undefined;
}

/** Asks before a command is sent, for what it takes. It is sent for the version of the plan that was looked at. */
export function CommandDialog({
  of,
  what,
  pause,
  onClose,
}: {
  readonly of: Rollout;
  readonly what: Asked;
  /** Of a resume: which pause ends. */
  readonly pause: PauseReason | undefined;
  readonly onClose: () => void;
}): ReactNode {
  const navigate = useNavigate();
  // A plan that changes while the dialog is open must not be commanded unseen.
  const [version] = useState(of.version);
  const [chosen, setChosen] = useState<Chosen>({
    text: '',
    cancelOpen: false,
    outcomes: ['failed', 'timedOut'],
    reason: pause ?? of.pauses[0]?.reason,
  });
  const { button, look, title, says } = WORDS[what];
  const path = `/v1/rollouts/${of.id}`;
  const change = useChange<unknown>(
    () => ({
      path: what === 'delete' ? path : `${path}/${what}`,
      method: what === 'delete' ? 'DELETE' : 'POST',
      headers: ifMatch(version),
      ...(what === 'delete' ? {} : { body: bodyOf(what, chosen) }),
    }),
    what === 'delete' ? ['rollouts', 'summary'] : [`rollout:${of.id}`, 'rollouts', 'summary'],
  );
  const done = (): void => {
    say(`${title}: done.`);
    onClose();
    if (what === 'delete') void navigate({ to: '/rollouts' });
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (missing(what, chosen) === undefined && !change.isPending) change.mutate(undefined, { onSuccess: done });
        }}
      >
        <p>{says}</p>
        <Fields
          of={of}
          what={what}
          chosen={chosen}
          onChange={(more) => setChosen((before) => ({ ...before, ...more }))}
        />
        {change.error ? <Fault error={change.error} /> : null}
        <div className="row">
          <Button type="submit" look={look} whyNot={missing(what, chosen)} busy={change.isPending}>
            {button}
          </Button>
          <Button onPress={onClose}>Close</Button>
        </div>
      </form>
    </Dialog>
  );
}

function Fields({
  of,
  what,
  chosen: { text, cancelOpen, outcomes, reason },
  onChange,
}: {
  readonly of: Rollout;
  readonly what: Asked;
  readonly chosen: Chosen;
  readonly onChange: (more: Partial<Chosen>) => void;
}): ReactNode {
  const typed = {
    value: text,
    onChange: ({ target }: { target: HTMLInputElement }) => onChange({ text: target.value }),
  };
  switch (what) {
    case 'resume':
      return (
        <>
          {of.pauses.length > 1 && reason !== undefined ? (
            <Choice
              label="Which pause ends"
              value={reason}
              options={of.pauses.map((one) => [one.reason, inWords(one.reason)] as const)}
              onChoose={(next) => onChange({ reason: next })}
            />
          ) : null}
          <Field
            label={needsComment(reason) ? 'Comment' : 'Comment, if you like'}
            hint={
              needsComment(reason)
                ? 'Why it may go on despite its gate. It stands in the history, and others read it.'
                : 'It stands in the history.'
            }
            maxLength={1_024}
            {...typed}
          />
        </>
      );
    case 'pause':
    case 'rollback':
      return <Field label="Reason, if you like" hint="It stands in the history." maxLength={255} {...typed} />;
    case 'abort':
      return (
        <>
          <Field label="Reason, if you like" hint="It stands in the history." maxLength={255} {...typed} />
          <Check
            label="Cancel what devices have begun, too"
            hint="Otherwise open installations continue to their end."
            checked={cancelOpen}
            onCheck={(next) => onChange({ cancelOpen: next })}
          />
        </>
      );
    case 'retry':
      return RETRYABLE_OUTCOMES.map((one) => (
        <Check
          key={one}
          label={`${targetWords(one)}: ${of.counters[one].toLocaleString('en')}`}
          checked={outcomes.includes(one)}
          onCheck={(is) => onChange({ outcomes: is ? [...outcomes, one] : outcomes.filter((other) => other !== one) })}
        />
      ));
    case 'start':
    case 'delete':
      return null;
  }
}

/** What is still needed before it can be sent. */
function missing(what: Asked, { text, outcomes, reason }: Chosen): string | undefined {
  if (what === 'resume' && needsComment(reason) && text.trim() === '') return 'Write a comment: it overrides the gate.';
  return what === 'retry' && outcomes.length === 0 ? 'Choose what is tried again.' : undefined;
}

function bodyOf(what: Asked, { text, cancelOpen, outcomes, reason }: Chosen): object {
  const said = text.trim();
  switch (what) {
    case 'resume':
      return { reason, ...(said === '' ? {} : { comment: said }) };
    case 'abort':
      return { cancelOpen, ...(said === '' ? {} : { reason: said }) };
    case 'retry':
      return { outcomes };
    case 'pause':
    case 'rollback':
      return said === '' ? {} : { reason: said };
    case 'start':
    case 'delete':
      return {};
  }
}
