import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { ACTIONS } from '../../domain/audit/actions.js';
import { Button } from '../design/button.js';
import { Choice } from '../design/field.js';
import { ToThing, type Kind } from '../design/ids.js';
import { Moment } from '../design/moment.js';
import { Answered, Notice } from '../design/notice.js';
import { PageOf, Sheet } from '../design/page.js';
import { Search } from '../design/search.js';
import { More, Table, Total } from '../design/table.js';
import { Time } from '../design/time.js';
import { inWords } from '../design/tones.js';
import { useUrlValue } from '../design/url.js';
import { useList } from '../service/queries.js';
import type { AuditEntry } from '../service/types.js';

const OPTIONS: readonly (readonly [string, string])[] = [
  ['', 'Anything'],
  ...ACTIONS.map((action) => [action, actionWords(action)] as const),
];

/** Kinds of things of the audit that have a page. */
const PAGES: Readonly<Record<string, Kind>> = {
  device: 'device',
  firmware: 'firmware',
  device_type: 'type',
  installation: 'installation',
  rollout: 'rollout',
  webhook: 'webhook',
  job: 'job',
  tenant: 'tenant',
};

/** What people did, newest first: who, when, from where, to what, and what it changed. */
export function Page(): ReactNode {
  const [actor, setActor] = useUrlValue('actor');
  const [action, setAction] = useUrlValue('action');
  const [resource, setResource] = useUrlValue('resource');
  const [since, setSince] = useUrlValue('since');
  const [until, setUntil] = useUrlValue('until');
  const list = useList<AuditEntry>('/v1/audit', { actor, action, resource, since, until });
  const isFiltered = [actor, action, resource, since, until].some((one) => one !== '');
  return (
    <PageOf
      title="Audit"
      beside={<Total of={list} />}
      actions={
        <Button onPress={() => void list.refetch()} busy={list.isRefetching}>
          Refresh
        </Button>
      }
    >
      <div className="filters">
        <Search label="Who" hint="Such as key:ci or user:ada" value={actor} onSearch={setActor} />
        <Choice
          label="Did what"
          value={OPTIONS.some(([one]) => one === action) ? action : ''}
          options={OPTIONS}
          onChoose={setAction}
        />
        <Search label="To what" hint="An id, or a kind such as device" value={resource} onSearch={setResource} />
        <Moment label="Since" value={since} onMoment={setSince} />
        <Moment label="Until" value={until} onMoment={setUntil} />
      </div>
      <Answered
        query={list}
        lines={10}
        isEmpty={({ rows }) => rows.length === 0}
        empty={
          <Notice title={isFiltered ? 'Nothing like that was done' : 'Nothing was done yet'}>
            <p>An entry is here about a second after the act. Names and ids are compared as a whole.</p>
          </Notice>
        }
      >
        {({ rows }) => (
          <Sheet flush>
            <Table label="What people did" columns={['When', 'Who', 'Did what', 'To what', 'From', 'What changed']}>
              {rows.map((entry) => (
                <Row key={entry.entry} of={entry} />
              ))}
            </Table>
            <More of={list} />
          </Sheet>
        )}
      </Answered>
    </PageOf>
  );
}

function Row({ of }: { readonly of: AuditEntry }): ReactNode {
  const { before, after, asked } = of;
  const parts = Object.entries({ before, after, asked }).filter(([, shown]) => shown !== undefined);
  return (
    <tr>
      <td>
        <Time at={of.at} />
      </td>
      <td>
        <Link to="." search={{ actor: of.actor }} title="Only what this one did">
          {of.actor}
        </Link>
      </td>
      <td className="nowrap">
        {actionWords(of.action)}
        {of.count === undefined || of.count === 1 ? '' : `, ${of.count} times`}
      </td>
      <td>
        <Resource of={of.resource} />
      </td>
      <td>{of.from.address ?? <span className="quiet">not known</span>}</td>
      <td className="wraps">
        {parts.length === 0 ? null : (
          <details>
            <summary>
              {[...new Set(parts.flatMap(([, shown]) => Object.keys(shown ?? {})))].join(', ') || 'more'}
            </summary>
            {parts.map(([name, shown]) => (
              <div key={name}>
                <span className="small quiet">{name === 'asked' ? 'said with it' : name}</span>
                <pre className="shown">{JSON.stringify(shown, undefined, 2)}</pre>
              </div>
            ))}
            <span className="small quiet">
              Entry {of.entry}, request <code>{of.requestId}</code>
            </span>
          </details>
        )}
      </td>
    </tr>
  );
}

function Resource({ of }: { readonly of: AuditEntry['resource'] }): ReactNode {
  const kind = PAGES[of.type];
  return (
    <>
      {inWords(of.type)}{' '}
      {kind === undefined ? (
        <code className="small" title={of.id}>
          {of.type === 'permission' ? of.id : of.id.slice(0, 8)}
        </code>
      ) : (
        <ToThing kind={kind} id={of.id} />
      )}
    </>
  );
}

/** `device_type.change` is "device type: change". */
function actionWords(action: string): string {
  return inWords(action).replace('.', ': ');
}
