import type { ReactNode } from 'react';
import { Button } from '../design/button.js';
import { Confirm } from '../design/confirm.js';
import { OwnId } from '../design/ids.js';
import { Answered, Notice } from '../design/notice.js';
import { PageOf, Sheet } from '../design/page.js';
import { Search } from '../design/search.js';
import { More, Total } from '../design/table.js';
import { Time } from '../design/time.js';
import { say } from '../design/toast.js';
import { inWords } from '../design/tones.js';
import { useUrlValue } from '../design/url.js';
import { useChange, useList, useWhyNot } from '../service/queries.js';
import type { Template } from '../service/types.js';

/** Parts of plans that are kept, by name, with what each of them says. */
export function Page(): ReactNode {
  const [q, setQ] = useUrlValue('q');
  const list = useList<Template>('/v1/rollout-templates', { q, sort: 'name' }, { about: ['templates'] });
  return (
    <PageOf
      title="Templates"
      beside={<Total of={list} />}
      actions={
        <Button onPress={() => void list.refetch()} busy={list.isRefetching}>
          Refresh
        </Button>
      }
    >
      <div className="filters">
        <Search label="Part of the name" value={q} onSearch={setQ} />
      </div>
      <Answered
        query={list}
        isEmpty={({ rows }) => rows.length === 0}
        empty={
          q === '' ? (
            <Notice title="No template yet">
              <p>
                A template keeps any part of a rollout&apos;s plan, such as its groups and its pace. It is made over the
                API, or by <code>slipway template create</code>.
              </p>
            </Notice>
          ) : (
            <Notice title="No template has such a name">
              <p>Change the name above.</p>
            </Notice>
          )
        }
      >
        {({ rows }) => (
          <>
            {rows.map((one) => (
              <One key={one.id} of={one} />
            ))}
            <More of={list} />
          </>
        )}
      </Answered>
    </PageOf>
  );
}

function One({ of }: { readonly of: Template }): ReactNode {
  const { id, name, createdBy, createdAt, ...plan } = of;
  const denied = useWhyNot('rollouts:write');
  const remove = useChange<void>(() => ({ path: `/v1/rollout-templates/${id}`, method: 'DELETE' }), ['templates']);
  return (
    <Sheet
      title={name}
      aside={
        <Confirm
          words="Delete"
          of={`the template ${name}`}
          title={`Delete the template ${name}`}
          change={remove}
          whyNot={denied}
          onDone={() => say('It is deleted.')}
        >
          <p>Rollouts that were made from it keep what they took.</p>
        </Confirm>
      }
    >
      <div className="stack tight">
        <p className="small quiet">
          By {createdBy}, <Time at={createdAt} />
        </p>
        <OwnId id={id} what="template" />
        <details>
          <summary>It says: {Object.keys(plan).map(inWords).join(', ') || 'nothing but its name'}</summary>
          <pre className="shown" tabIndex={0} aria-label={`What the template ${name} says`}>
            {JSON.stringify(plan, undefined, 2)}
          </pre>
        </details>
      </div>
    </Sheet>
  );
}
