import { useState, type FormEvent, type ReactNode } from 'react';
import { Badge } from '../../design/badge.js';
import { Button } from '../../design/button.js';
import { Dialog } from '../../design/dialog.js';
import { Field } from '../../design/field.js';
import { ToThing } from '../../design/ids.js';
import { Answered, Fault, Notice } from '../../design/notice.js';
import { PageOf, Sheet } from '../../design/page.js';
import { ShownOnce } from '../../design/shown-once.js';
import { Table } from '../../design/table.js';
import { Time } from '../../design/time.js';
import { inWords, type Tone } from '../../design/tones.js';
import { useUrlValue } from '../../design/url.js';
import { useApi, useChange, useWhyNot } from '../../service/queries.js';
import { faultAt, withQuery } from '../../service/request.js';
import type { One, Page as PageOfList, Tenant, TenantWithKey } from '../../service/types.js';

const TONES = { active: 'ok', suspended: 'warn', removing: 'bad' } as const satisfies Record<Tenant['state'], Tone>;
const PAGE_SIZE = 50;

/** The tenants of the installation, for its operator. */
export function Page(): ReactNode {
  const [add, setAdd] = useUrlValue('add');
  const [at, setAt] = useUrlValue('page');
  const [fresh, setFresh] = useState<TenantWithKey>();
  const page = /^\d{1,6}$/.test(at) ? Number(at) : 0;
  const list = useApi<PageOfList<Tenant>>(withQuery('/v1/tenants', { page, pageSize: PAGE_SIZE }), {
    about: ['tenants'],
    keep: true,
  });
  const whyNot = useWhyNot('tenants:write');
  const meta = list.data?.meta;
  return (
    <PageOf
      title="Tenants"
      beside={meta ? <span className="quiet">{meta.itemsTotal.toLocaleString('en')}</span> : null}
      actions={
        <Button look="first" whyNot={whyNot} onPress={() => setAdd('yes')}>
          New tenant…
        </Button>
      }
    >
      <Answered
        query={list}
        isEmpty={({ data }) => data.length === 0}
        empty={
          <Notice title="No tenant on this page">
            <p>A tenant has its own devices, firmwares, keys and history, which no other one sees.</p>
          </Notice>
        }
      >
        {({ data }) => (
          <Sheet flush>
            <Table label="Tenants" columns={['Id', 'Name', 'State', 'Bounds', 'Created', 'By']}>
              {data.map((one) => (
                <tr key={one.id}>
                  <td>
                    <ToThing kind="tenant" id={one.id}>
                      {one.id}
                    </ToThing>
                  </td>
                  <td>{one.name}</td>
                  <td>
                    <TenantBadge state={one.state} />
                  </td>
                  <td className="wraps">{boundsWords(one.quotas)}</td>
                  <td>
                    <Time at={one.createdAt} />
                  </td>
                  <td>{one.createdBy}</td>
                </tr>
              ))}
            </Table>
          </Sheet>
        )}
      </Answered>
      {meta && meta.pagesTotal > 1 ? (
        <div className="row">
          <Button whyNot={page === 0 ? 'This is the first page.' : undefined} onPress={() => setAt(String(page - 1))}>
            Newer
          </Button>
          <span className="small quiet">
            page {page + 1} of {meta.pagesTotal}
          </span>
          <Button
            whyNot={page + 1 >= meta.pagesTotal ? 'This is the last page.' : undefined}
            onPress={() => setAt(String(page + 1))}
          >
            Older
          </Button>
        </div>
      ) : null}
      {add === '' ? null : (
        <NewTenant
          onClose={() => setAdd('')}
          onMade={(made) => {
            setAdd('');
            setFresh(made);
          }}
        />
      )}
      {fresh ? (
        <ShownOnce title={`The tenant ${fresh.id}`} what="key" secret={fresh.key} onClose={() => setFresh(undefined)}>
          <p>With this key of an owner its first person signs in.</p>
        </ShownOnce>
      ) : null}
    </PageOf>
  );
}

/** Whether a tenant's operators are let in. */
export function TenantBadge({ state }: { readonly state: Tenant['state'] }): ReactNode {
  return <Badge tone={TONES[state]}>{state}</Badge>;
}

function boundsWords(quotas: Tenant['quotas']): string {
  return Object.entries(quotas)
    .filter((entry): entry is [string, number] => entry[1] !== undefined)
    .map(([name, bound]) => `${inWords(name)} ${bound.toLocaleString('en')}`)
    .join(', ');
}

function NewTenant({
  onClose,
  onMade,
}: {
  readonly onClose: () => void;
  readonly onMade: (tenant: TenantWithKey) => void;
}): ReactNode {
  const [id, setId] = useState('');
  const [name, setName] = useState('');
  const make = useChange<One<TenantWithKey>>(
    () => ({
      path: '/v1/tenants',
      method: 'POST',
      body: { id: id.trim(), ...(name.trim() === '' ? {} : { name: name.trim() }) },
    }),
    ['tenants'],
  );
  const missing = id.trim() === '' ? 'Give the tenant an id.' : undefined;
  return (
    <Dialog title="A new tenant" onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          if (missing === undefined && !make.isPending)
            make.mutate(undefined, { onSuccess: ({ data }) => onMade(data) });
        }}
      >
        <Field
          label="Id"
          autoFocus
          spellCheck={false}
          hint="It is part of addresses and topics, and stays."
          value={id}
          fault={faultAt(make.error, '/id')}
          onChange={({ target }) => setId(target.value)}
        />
        <Field
          label="Name"
          value={name}
          fault={faultAt(make.error, '/name')}
          onChange={({ target }) => setName(target.value)}
        />
        {make.error ? <Fault error={make.error} /> : null}
        <div className="row">
          <Button look="first" type="submit" whyNot={missing} busy={make.isPending}>
            Make the tenant
          </Button>
          <Button onPress={onClose}>Close</Button>
        </div>
      </form>
    </Dialog>
  );
}
