import { useState, type ReactNode } from 'react';
import { Badge } from '../../design/badge.js';
import { Button } from '../../design/button.js';
import { Answered, Notice } from '../../design/notice.js';
import { PageOf, Sheet } from '../../design/page.js';
import { ShownOnce } from '../../design/shown-once.js';
import { More, Table, Total } from '../../design/table.js';
import { Time } from '../../design/time.js';
import type { Tone } from '../../design/tones.js';
import { useUrlValue } from '../../design/url.js';
import { useList, useMe, useWhyNot } from '../../service/queries.js';
import type { ApiKey, ApiKeyWithSecret } from '../../service/types.js';
import { MakeKey } from './make.js';
import { Revoke, Rotate } from './of-key.js';

const TONES = { active: 'ok', expired: 'warn', revoked: 'mute' } as const satisfies Record<ApiKey['state'], Tone>;

/** Keys of people and programs. What a key is made of is shown once, in the answer that made it. */
export function Page(): ReactNode {
  const [add, setAdd] = useUrlValue('add');
  const [fresh, setFresh] = useState<ApiKeyWithSecret>();
  const list = useList<ApiKey>('/v1/api-keys', {}, { about: ['api keys'] });
  const whyNot = useWhyNot('api_keys:write');
  return (
    <PageOf
      title="API keys"
      beside={<Total of={list} />}
      actions={
        <>
          <Button onPress={() => void list.refetch()} busy={list.isRefetching}>
            Refresh
          </Button>
          <Button look="first" whyNot={whyNot} onPress={() => setAdd('yes')}>
            Make a key…
          </Button>
        </>
      }
    >
      <Answered
        query={list}
        lines={6}
        isEmpty={({ rows }) => rows.length === 0}
        empty={
          <Notice title="No key">
            <p>A key lets a person or a program in, with a role or with permissions that are named.</p>
          </Notice>
        }
      >
        {({ rows }) => (
          <Sheet flush>
            <Table
              label="API keys"
              columns={['Name', 'State', 'May', 'Last used', 'Ends', 'Created', 'By', 'What to do']}
            >
              {rows.map((key) => (
                <Row key={key.id} of={key} onFresh={setFresh} />
              ))}
            </Table>
            <More of={list} />
          </Sheet>
        )}
      </Answered>
      {add === '' ? null : (
        <MakeKey
          onClose={() => setAdd('')}
          onMade={(made) => {
            setAdd('');
            setFresh(made);
          }}
        />
      )}
      {fresh ? (
        <ShownOnce title={`The key ${fresh.name}`} what="key" secret={fresh.key} onClose={() => setFresh(undefined)}>
          <p>A program sends it as a bearer token; a person signs in here with it.</p>
        </ShownOnce>
      ) : null}
    </PageOf>
  );
}

function Row({ of, onFresh }: { readonly of: ApiKey; readonly onFresh: (key: ApiKeyWithSecret) => void }): ReactNode {
  const isOwn = useMe()?.id === of.id;
  return (
    <tr>
      <td>
        {of.name}
        {isOwn ? <span className="small quiet"> (you came in with it)</span> : null}
      </td>
      <td>
        <Badge tone={TONES[of.state]}>{of.state}</Badge>
      </td>
      <td className="wraps">{mayWords(of)}</td>
      <td>{of.lastUsedAt === null ? <span className="quiet">never</span> : <Time at={of.lastUsedAt} />}</td>
      <td>
        <End of={of} />
      </td>
      <td>
        <Time at={of.createdAt} />
      </td>
      <td>{of.createdBy}</td>
      <td>
        {of.state === 'active' ? (
          <div className="row">
            {of.worksUntil === undefined ? <Rotate of={of} isOwn={isOwn} onFresh={onFresh} /> : null}
            <Revoke of={of} isOwn={isOwn} />
          </div>
        ) : null}
      </td>
    </tr>
  );
}

function End({ of }: { readonly of: ApiKey }): ReactNode {
  if (of.revokedAt !== undefined) return <Time at={of.revokedAt} />;
  if (of.worksUntil !== undefined)
    return (
      <>
        <Time at={of.worksUntil} /> <span className="small quiet">it has a successor</span>
      </>
    );
  return of.expiresAt === undefined ? <span className="quiet">never</span> : <Time at={of.expiresAt} />;
}

function mayWords({ role, permissions = [] }: ApiKey): string {
  return [...(role === undefined ? [] : [role]), ...permissions].join(', ');
}
