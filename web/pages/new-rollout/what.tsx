import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { plural } from '../../../domain/plural.js';
import { Choice, Field } from '../../design/field.js';
import { Sheet } from '../../design/page.js';
import { useApi } from '../../service/queries.js';
import { faultAt, withQuery } from '../../service/request.js';
import type { DeviceRow, Firmware, FirmwareUsage, One, Page, Template } from '../../service/types.js';
import { artifactWords } from '../artifacts/state.js';
import { faultOf } from '../devices/filter-words.js';
import { printed, valueAt, withAt } from '../plan/body.js';
import { PlanField, type Form } from '../plan/plan-field.js';

const FIRMWARE = '/steps/0/firmwareId';
const SLOT = '/steps/0/slot';
const FILTER = '/targets/filter';

/** The first steps: its name, what is installed into which slot, and on which devices. */
export function What({ form }: { readonly form: Form }): ReactNode {
  return (
    <Sheet title="1. What, and for whom">
      <div className="stack">
        <PlanField form={form} at="/name" label="Name" hint="Such as the content and its version." />
        <TemplateChoice form={form} />
        <Content form={form} />
        <Targets form={form} />
      </div>
    </Sheet>
  );
}

/** Where none is kept, there is nothing to choose. */
function TemplateChoice({ form: { body, onBody } }: { readonly form: Form }): ReactNode {
  const templates = useApi<Page<Template>>('/v1/rollout-templates?pageSize=100&sort=name', { about: ['templates'] });
  const data = templates.data?.data ?? [];
  if (data.length === 0) return null;
  return (
    <Choice
      label="Template"
      value={printed(body['templateId'])}
      options={[
        ['', 'none: what is left out takes its default'] as const,
        ...data.map(({ id, name }) => [id, name] as const),
      ]}
      onChoose={(id) => onBody(withAt(body, '/templateId', id === '' ? undefined : id))}
    />
  );
}

function Content({ form: { body, onBody } }: { readonly form: Form }): ReactNode {
  const firmwares = useApi<Page<Firmware>>('/v1/firmwares?pageSize=100&state=ready&sort=-createdAt', {
    about: ['firmwares'],
  });
  const firmwareId = printed(valueAt(body, FIRMWARE));
  const usage = useApi<One<FirmwareUsage>>(`/v1/firmwares/${firmwareId}/usage`, {
    about: ['associations', `firmware:${firmwareId}`],
    enabled: firmwareId !== '',
  });
  const slots = [...new Set(usage.data?.data.associations.map(({ slot }) => slot))];
  const slot = printed(valueAt(body, SLOT));
  const shownSlots = slot === '' || slots.includes(slot) ? slots : [slot, ...slots];
  const isKnown = firmwares.data?.data.some(({ id }) => id === firmwareId) ?? false;
  const put = (id: string, into: string): void =>
    onBody(withAt(body, '/steps', id === '' ? undefined : [{ slot: into, firmwareId: id }]));
  return (
    <div className="columns">
      <div className="stack tight">
        <Choice
          label="Artifact"
          value={firmwareId}
          options={[
            ['', 'choose one'] as const,
            ...(firmwareId === '' || isKnown ? [] : [[firmwareId, firmwareId] as const]),
            ...(firmwares.data?.data.map((one) => [one.id, artifactWords(one)] as const) ?? []),
          ]}
          onChoose={(id) => put(id, slot === '' ? 'firmware' : slot)}
        />
        {firmwares.data?.data.length === 0 ? (
          <p className="hint">
            No artifact is ready. <Link to="/artifacts">Upload a file</Link>
          </p>
        ) : null}
      </div>
      <div className="stack tight">
        {firmwareId === '' ? null : (
          <Choice
            label="Into the slot"
            value={slot}
            options={shownSlots.map((one) => [one, one] as const)}
            onChoose={(into) => put(firmwareId, into)}
          />
        )}
        {usage.data && slots.length === 0 ? (
          <p className="hint">
            No slot may hold it yet. <Link to={`/artifacts/${firmwareId}`}>Mark one on its page</Link>
          </p>
        ) : null}
      </div>
    </div>
  );
}

function Targets({ form: { body, onBody, error } }: { readonly form: Form }): ReactNode {
  const filter = printed(valueAt(body, FILTER));
  const named = valueAt(body, '/targets/deviceIds');
  const fault = faultOf(filter);
  const matches = useApi<Page<DeviceRow>>(withQuery('/v1/devices', { filter, fields: 'id', pageSize: 1 }), {
    enabled: filter.trim() !== '' && fault === undefined,
    keep: true,
  });
  const count = filter.trim() === '' || fault !== undefined ? undefined : matches.data?.meta;
  return (
    <div className="stack tight">
      <Field
        label="Devices that match"
        value={filter}
        placeholder="deviceType==LS-1;tag==north"
        spellCheck={false}
        autoComplete="off"
        fault={fault === undefined ? faultAt(error, FILTER) : `At position ${fault.position + 1}: ${fault.message}`}
        hint="As in the list of devices. id==* matches all."
        onChange={({ target }) => onBody(withAt(body, FILTER, target.value === '' ? undefined : target.value))}
      />
      <p className="small" role="status">
        {count === undefined ? null : (
          <>
            {count.itemsTotalExact === false ? 'about ' : ''}
            {plural(count.itemsTotal, 'device')} now.{' '}
            <Link to="/devices" search={{ filter }}>
              Look at them
            </Link>
          </>
        )}
        {Array.isArray(named) && named.length > 0 ? ` And ${plural(named.length, 'device')} by name.` : null}
      </p>
    </div>
  );
}
