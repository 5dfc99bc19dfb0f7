import { useState, type ReactNode } from 'react';
import { Badge } from '../../design/badge.js';
import { Button } from '../../design/button.js';
import { IdLink, ToThing } from '../../design/ids.js';
import { Answered, Notice } from '../../design/notice.js';
import { PageOf, Sheet } from '../../design/page.js';
import { ShownOnce } from '../../design/shown-once.js';
import { Table } from '../../design/table.js';
import { Time } from '../../design/time.js';
import { useUrlValue } from '../../design/url.js';
import { useApi, useWhyNot } from '../../service/queries.js';
import type { Page as PageOfList, Webhook, WebhookWithSecret } from '../../service/types.js';
import { WebhookForm } from './form.js';

/** Whom events are posted to, and whether they arrive. No event names a webhook, so the list is asked for again. */
export function Page(): ReactNode {
  const [add, setAdd] = useUrlValue('add');
  const [fresh, setFresh] = useState<WebhookWithSecret>();
  const list = useApi<PageOfList<Webhook>>('/v1/webhooks?pageSize=100', { about: ['webhooks'], everyMs: 10_000 });
  const whyNot = useWhyNot('webhooks:write');
  return (
    <PageOf
      title="Webhooks"
      actions={
        <Button look="first" whyNot={whyNot} onPress={() => setAdd('yes')}>
          New webhook…
        </Button>
      }
    >
      <Answered
        query={list}
        isEmpty={({ data }) => data.length === 0}
        empty={
          <Notice title="No webhook yet">
            <p>
              Events are posted to its address as they happen, each at least once, signed, and tried again for a day.
            </p>
          </Notice>
        }
      >
        {({ data }) => (
          <Sheet flush>
            <Table label="Webhooks" columns={['Address', 'State', 'Events', 'What for', 'Created', 'By', 'Id']}>
              {data.map((one) => (
                <tr key={one.id}>
                  <td className="wraps">
                    <ToThing kind="webhook" id={one.id}>
                      {one.url}
                    </ToThing>
                  </td>
                  <td>
                    <WebhookBadge of={one} />
                  </td>
                  <td>{one.events.length === 0 ? 'all' : one.events.length}</td>
                  <td>{one.description}</td>
                  <td>
                    <Time at={one.createdAt} />
                  </td>
                  <td>{one.createdBy}</td>
                  <td>
                    <IdLink kind="webhook" id={one.id} />
                  </td>
                </tr>
              ))}
            </Table>
          </Sheet>
        )}
      </Answered>
      {add === '' ? null : (
        <WebhookForm
          onClose={() => setAdd('')}
          onMade={(made) => {
            setAdd('');
            setFresh(made);
          }}
        />
      )}
      {fresh ? (
        <ShownOnce title="The webhook is made" what="secret" secret={fresh.secret} onClose={() => setFresh(undefined)}>
          <p>By it the receiver verifies that a delivery is from here (Standard Webhooks).</p>
        </ShownOnce>
      ) : null}
    </PageOf>
  );
}

/** Whether events arrive at it. */
export function WebhookBadge({ of }: { readonly of: Webhook }): ReactNode {
  if (!of.enabled) return <Badge tone="mute">disabled</Badge>;
  if (of.failingSince !== null) return <Badge tone="bad">failing</Badge>;
  return <Badge tone="ok">enabled</Badge>;
}
