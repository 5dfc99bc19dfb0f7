import { Link, useNavigate } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { Confirm } from '../../design/confirm.js';
import { OwnId } from '../../design/ids.js';
import { Answered, Fault, Notice } from '../../design/notice.js';
import { Facts, PageOf, Sheet } from '../../design/page.js';
import { Sentence, Time } from '../../design/time.js';
import { say } from '../../design/toast.js';
import { inWords } from '../../design/tones.js';
import { usePart } from '../../design/url.js';
import { useApi, useChange, useWhyNot } from '../../service/queries.js';
import type { One, Webhook } from '../../service/types.js';
import { Deliveries } from './deliveries.js';
import { WebhookForm } from './form.js';
import { WebhookBadge } from './page.js';

/** One webhook: what it posts, whether it arrives, and each delivery. */
export function Page(): ReactNode {
  const webhookId = usePart('webhookId');
  const path = `/v1/webhooks/${webhookId}`;
  const query = useApi<One<Webhook>>(path, { about: ['webhooks'], everyMs: 10_000 });
  const one = query.data?.data;
  return (
    <PageOf
      title={one?.description ?? 'Webhook'}
      above={<Link to="/webhooks">Webhooks</Link>}
      beside={one ? <WebhookBadge of={one} /> : null}
      actions={one ? <Actions of={one} path={path} /> : null}
    >
      <Answered query={query} lines={8}>
        {({ data }) => (
          <>
            <Trouble of={data} />
            <Sheet title="What it posts">
              <Base of={data} />
            </Sheet>
            <Deliveries webhookId={webhookId} />
          </>
        )}
      </Answered>
    </PageOf>
  );
}

function Trouble({ of }: { readonly of: Webhook }): ReactNode {
  if (!of.enabled)
    return (
      <Notice title="It is disabled" bad={of.disabledBecause !== null}>
        <p>
          {of.disabledBecause === null ? null : <Sentence text={`${of.disabledBecause}. `} />}
          {of.disabledAt === null ? null : <Time at={of.disabledAt} />} Enabled again, it continues where it stopped.
        </p>
      </Notice>
    );
  if (of.failingSince === null) return null;
  return (
    <Notice title="Nothing arrives" bad>
      <p>
        Since <Time at={of.failingSince} /> no delivery has arrived. It is tried again for a day, then the webhook is
        disabled.
      </p>
    </Notice>
  );
}

function Base({ of }: { readonly of: Webhook }): ReactNode {
  return (
    <Facts
      of={[
        ['Id', <OwnId key="id" id={of.id} what="webhook" />],
        ['Address', <code key="url">{of.url}</code>],
        ['Events', of.events.length === 0 ? 'all' : of.events.map(inWords).join(', ')],
        ['Up to', `entry ${of.position.toLocaleString('en')} of the history`],
        ['Created', <Time key="at" at={of.createdAt} />],
        ['By', of.createdBy],
      ]}
    />
  );
}

function Actions({ of, path }: { readonly of: Webhook; readonly path: string }): ReactNode {
  const navigate = useNavigate();
  const [changing, setChanging] = useState(false);
  const whyNot = useWhyNot('webhooks:write');
  const turn = useChange<One<Webhook>>(
    () => ({ path, method: 'PATCH', body: { enabled: !of.enabled } }),
    ['webhooks', 'deliveries'],
  );
  const remove = useChange<void>(() => ({ path, method: 'DELETE' }), ['webhooks']);
  return (
    <>
      <Button look={of.enabled ? 'usual' : 'first'} whyNot={whyNot} busy={turn.isPending} onPress={() => turn.mutate()}>
        {of.enabled ? 'Disable' : 'Enable'}
      </Button>
      <Button whyNot={whyNot} onPress={() => setChanging(true)}>
        Change…
      </Button>
      <Confirm
        words="Delete"
        title="Delete the webhook"
        change={remove}
        whyNot={whyNot}
        onDone={() => {
          say('It is deleted.');
          void navigate({ to: '/webhooks' });
        }}
      >
        <p>
          Nothing is posted to <code>{of.url}</code> any more, and what was not delivered yet is dropped.
        </p>
      </Confirm>
      {turn.error ? <Fault error={turn.error} /> : null}
      {changing ? (
        <WebhookForm
          of={of}
          onClose={() => setChanging(false)}
          onMade={() => {
            setChanging(false);
            say('It is changed.');
          }}
        />
      ) : null}
    </>
  );
}
