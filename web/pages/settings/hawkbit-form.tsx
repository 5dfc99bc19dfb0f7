import { useState, type FormEvent, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { Dialog } from '../../design/dialog.js';
import { Choice, Field } from '../../design/field.js';
import { Fault } from '../../design/notice.js';
import { say } from '../../design/toast.js';
import { useApi, useChange } from '../../service/queries.js';
import { faultAt } from '../../service/request.js';
import type { DeviceType, HawkbitSettings, One, Page } from '../../service/types.js';

/** The path of the settings of hawkBit's device interface. */
export const HAWKBIT = '/v1/hawkbit-settings';

/** Changes what is let in over hawkBit's device interface. A token that is left empty stays as it is. */
export function HawkbitForm({
  of,
  onClose,
}: {
  readonly of: HawkbitSettings;
  readonly onClose: () => void;
}): ReactNode {
  const types = useApi<Page<DeviceType>>('/v1/device-types?pageSize=100&sort=name', { about: ['device types'] });
  const [interval, setInterval] = useState(of.pollingInterval);
  const [token, setToken] = useState('');
  const [typeId, setTypeId] = useState(of.registersAs ?? '');
  const [authorities, setAuthorities] = useState(of.authorities.join(', '));
  const save = useChange<One<HawkbitSettings>>(
    () => ({
      path: HAWKBIT,
      method: 'PATCH',
      body: {
        pollingInterval: interval.trim(),
        registersAs: typeId === '' ? null : typeId,
        authorities: listOf(authorities),
        ...(token.trim() === '' ? {} : { gatewayToken: token.trim() }),
      },
    }),
    ['settings'],
  );
  return (
    <Dialog title="Clients of hawkBit" onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          if (save.isPending) return;
          save.mutate(undefined, {
            onSuccess: () => {
              say('It is saved.');
              onClose();
            },
          });
        }}
      >
        <Field
          label="Clients ask again after"
          hint="A duration such as PT5M (five minutes) or PT1H (one hour)."
          spellCheck={false}
          value={interval}
          fault={faultAt(save.error, '/pollingInterval')}
          onChange={({ target }) => setInterval(target.value)}
        />
        <Field
          label={of.gatewayToken ? 'Another token of gateways' : 'Token of gateways'}
          hint="16 to 512 characters. Empty: it stays as it is. Each client that sends it is let in."
          autoComplete="off"
          spellCheck={false}
          value={token}
          fault={faultAt(save.error, '/gatewayToken')}
          onChange={({ target }) => setToken(target.value)}
        />
        <Choice
          label="Devices that appear by themselves"
          value={typeId}
          options={[
            ['', 'are refused'] as const,
            ...(types.data?.data.map(({ id, name }) => [id, `are made as ${name}`] as const) ?? []),
          ]}
          onChoose={setTypeId}
        />
        <Field
          label="Authorities that a proxy may name"
          hint="Hashes of issuers, with commas between them."
          spellCheck={false}
          value={authorities}
          fault={faultAt(save.error, '/authorities')}
          onChange={({ target }) => setAuthorities(target.value)}
        />
        {save.error ? <Fault error={save.error} /> : null}
        <div className="row">
          <Button look="first" type="submit" busy={save.isPending}>
            Save
          </Button>
          <Button onPress={onClose}>Close</Button>
        </div>
      </form>
    </Dialog>
  );
}

/** Texts between commas, without those that are empty. */
function listOf(text: string): readonly string[] {
  return text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
}
