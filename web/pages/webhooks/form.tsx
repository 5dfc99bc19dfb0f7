import { useState, type FormEvent, type ReactNode } from 'react';
import { EVENT_NAMES } from '../../../domain/webhook/event-names.js';
import { Button } from '../../design/button.js';
import { Dialog } from '../../design/dialog.js';
import { Check, Choice, Field } from '../../design/field.js';
import { Fault } from '../../design/notice.js';
import { inWords } from '../../design/tones.js';
import { useChange } from '../../service/queries.js';
import { faultAt } from '../../service/request.js';
import type { One, Webhook, WebhookWithSecret } from '../../service/types.js';

const WHICH = [
  ['all', 'All events'],
  ['some', 'Only some of them'],
] as const;
type Which = (typeof WHICH)[number][0];

/** Makes a webhook, or changes where and what it posts. */
export function WebhookForm({
  of,
  onClose,
  onMade,
}: {
  /** Absent = a new one. */
  readonly of?: Webhook;
  readonly onClose: () => void;
  /** Of a new one: with its secret. */
  readonly onMade: (webhook: WebhookWithSecret) => void;
}): ReactNode {
  const [url, setUrl] = useState(of?.url ?? '');
  const [description, setDescription] = useState(of?.description ?? '');
  const [which, setWhich] = useState<Which>((of?.events.length ?? 0) > 0 ? 'some' : 'all');
  const [events, setEvents] = useState<readonly string[]>(of?.events ?? []);
  const save = useChange<One<WebhookWithSecret>>(
    () => ({
      path: of ? `/v1/webhooks/${of.id}` : '/v1/webhooks',
      method: of ? 'PATCH' : 'POST',
      body: {
        url: url.trim(),
        description: description.trim() === '' ? null : description.trim(),
        events: which === 'all' ? [] : events,
      },
    }),
    ['webhooks'],
  );
  const missing =
    url.trim() === ''
      ? 'Give the address that events are posted to.'
      : which === 'some' && events.length === 0
        ? 'Choose an event.'
        : undefined;
  return (
    <Dialog title={of ? 'Change the webhook' : 'A new webhook'} onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          if (missing === undefined && !save.isPending)
            save.mutate(undefined, { onSuccess: ({ data }) => onMade(data) });
        }}
      >
        <Field
          label="Address"
          autoFocus
          inputMode="url"
          spellCheck={false}
          placeholder="https://ops.example.com/slipway"
          value={url}
          fault={faultAt(save.error, '/url')}
          onChange={({ target }) => setUrl(target.value)}
        />
        <Field
          label="What for"
          value={description}
          fault={faultAt(save.error, '/description')}
          onChange={({ target }) => setDescription(target.value)}
        />
        <Choice<Which> label="What is posted" value={which} options={WHICH} onChoose={setWhich} />
        {which === 'some' ? (
          <fieldset className="choices" tabIndex={0}>
            <legend>Events</legend>
            {EVENT_NAMES.map((name) => (
              <Check
                key={name}
                label={inWords(name)}
                checked={events.includes(name)}
                onCheck={(on) => setEvents(on ? [...events, name] : events.filter((other) => other !== name))}
              />
            ))}
          </fieldset>
        ) : null}
        {save.error ? <Fault error={save.error} /> : null}
        <div className="row">
          <Button look="first" type="submit" whyNot={missing} busy={save.isPending}>
            {of ? 'Save' : 'Make the webhook'}
          </Button>
          <Button onPress={onClose}>Close</Button>
        </div>
      </form>
    </Dialog>
  );
}
