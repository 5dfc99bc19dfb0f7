import { Link, useNavigate } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { QUOTAS } from '../../../domain/tenant.js';
import { Button } from '../../design/button.js';
import { Confirm } from '../../design/confirm.js';
import { Field } from '../../design/field.js';
import { Answered, Fault, Notice } from '../../design/notice.js';
import { Facts, PageOf, Sheet } from '../../design/page.js';
import { Table } from '../../design/table.js';
import { Time } from '../../design/time.js';
import { say } from '../../design/toast.js';
import { inWords } from '../../design/tones.js';
import { usePart } from '../../design/url.js';
import { useApi, useChange, useWhyNot } from '../../service/queries.js';
import { withQuery } from '../../service/request.js';
import type { One, Tenant, TenantWithUsage } from '../../service/types.js';
import { TenantBadge } from './page.js';
import { Quotas } from './quotas.js';

/** One tenant: what it uses beside its bounds, and whether its operators are let in. */
export function Page(): ReactNode {
  const tenantId = usePart('tenantId');
  const path = `/v1/tenants/${encodeURIComponent(tenantId)}`;
  const query = useApi<One<TenantWithUsage>>(path, { about: ['tenants'] });
  const one = query.data?.data;
  return (
    <PageOf
      title={one?.name ?? tenantId}
      above={<Link to="/tenants">Tenants</Link>}
      beside={one ? <TenantBadge state={one.state} /> : null}
      actions={one ? <Actions of={one} path={path} /> : null}
    >
      <Answered query={query} lines={8}>
        {({ data }) => (
          <>
            {data.state === 'suspended' ? (
              <Notice title="It is suspended">
                <p>Its operators are refused. Its devices are listened to, and nothing new begins.</p>
              </Notice>
            ) : null}
            {data.state === 'removing' ? (
              <Notice title="It is being removed">
                <p>It goes in pages, with everything of it.</p>
              </Notice>
            ) : null}
            <Sheet title="What it is">
              <Facts
                of={[
                  ['Id', <code key="id">{data.id}</code>],
                  ['Name', data.name],
                  ['Created', <Time key="at" at={data.createdAt} />],
                  ['By', data.createdBy],
                ]}
              />
            </Sheet>
            <Uses of={data} path={path} />
          </>
        )}
      </Answered>
    </PageOf>
  );
}

function Uses({ of, path }: { readonly of: TenantWithUsage; readonly path: string }): ReactNode {
  const [changing, setChanging] = useState(false);
  const whyNot = useWhyNot('tenants:write');
  return (
    <Sheet
      title="What it uses"
      flush
      aside={
        <Button whyNot={whyNot} onPress={() => setChanging(true)}>
          Change the bounds…
        </Button>
      }
    >
      <Table label="What it uses" columns={['What', '#Used', '#At most']}>
        {QUOTAS.map((name) => (
          <tr key={name}>
            <th scope="row">{inWords(name)}</th>
            <td className="number">{name === 'requestsPerMinute' ? '' : of.usage[name].toLocaleString('en')}</td>
            <td className="number">
              {of.quotas[name]?.toLocaleString('en') ?? <span className="quiet">not bounded</span>}
            </td>
          </tr>
        ))}
      </Table>
      {changing ? <Quotas of={of} path={path} onClose={() => setChanging(false)} /> : null}
    </Sheet>
  );
}

function Actions({ of, path }: { readonly of: TenantWithUsage; readonly path: string }): ReactNode {
  const navigate = useNavigate();
  const [typed, setTyped] = useState('');
  const whyNot = useWhyNot('tenants:write');
  const isActive = of.state === 'active';
  const turn = useChange<One<Tenant>>(
    () => ({ path, method: 'PATCH', body: { state: isActive ? 'suspended' : 'active' } }),
    ['tenants'],
  );
  const remove = useChange<One<Tenant>>(
    () => ({ path: withQuery(path, { confirm: typed }), method: 'DELETE' }),
    ['tenants'],
  );
  if (of.state === 'removing') return null;
  if (isActive)
    return (
      <Confirm
        words="Suspend"
        title={`Suspend ${of.id}`}
        change={turn}
        whyNot={whyNot}
        onDone={() => say('It is suspended.')}
      >
        <p>Its operators are refused from now on. What was offered to devices continues, and nothing new begins.</p>
      </Confirm>
    );
  return (
    <>
      <Button look="first" whyNot={whyNot} busy={turn.isPending} onPress={() => turn.mutate()}>
        Let it go on
      </Button>
      <Confirm
        words="Remove"
        title={`Remove ${of.id}`}
        change={remove}
        whyNot={whyNot}
        missing={typed === of.id ? undefined : 'Type its id.'}
        onDone={() => {
          say('It is being removed.');
          void navigate({ to: '/tenants' });
        }}
      >
        <p>Everything of it goes: devices, firmwares, keys, history. It cannot be brought back.</p>
        <Field
          label="Its id, to be sure"
          value={typed}
          autoComplete="off"
          spellCheck={false}
          onChange={({ target }) => setTyped(target.value)}
        />
      </Confirm>
      {turn.error ? <Fault error={turn.error} /> : null}
    </>
  );
}
