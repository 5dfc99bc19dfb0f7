import { Link } from '@tanstack/react-router';
import { useState, type FormEvent, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { CopyButton } from '../../design/copy.js';
import { Dialog } from '../../design/dialog.js';
import { Choice, Field } from '../../design/field.js';
import { Fault } from '../../design/notice.js';
import { Facts } from '../../design/page.js';
import { useApi, useChange } from '../../service/queries.js';
import { call } from '../../service/request.js';
import type { Device, DeviceType, One, Page } from '../../service/types.js';

const NEW = 'new';

interface Added {
  readonly device: Device;
  readonly username: string;
  readonly password: string;
}

/** Adds a device, with its type where there is none yet, and shows its password this once. */
export function AddDevice({
  onClose,
  onAdded,
}: {
  readonly onClose: () => void;
  readonly onAdded: () => void;
}): ReactNode {
  const types = useApi<Page<DeviceType>>('/v1/device-types?pageSize=100&sort=name', { about: ['device types'] });
  const [name, setName] = useState('');
  const [typeName, setTypeName] = useState('');
  const [chosen, setChosen] = useState<string>();
  const [error, setError] = useState<Error>();
  const [busy, setBusy] = useState(false);
  const [added, setAdded] = useState<Added>();
  const typeId = chosen ?? types.data?.data[0]?.id ?? NEW;
  const newType = useChange<One<DeviceType>>(
    () => ({
      path: '/v1/device-types',
      method: 'POST',
      body: { name: typeName, slots: { firmware: { name: 'Firmware' } } },
    }),
    ['device types'],
  );
  const add = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      const deviceTypeId = typeId === NEW ? (await newType.mutateAsync()).data.id : typeId;
      if (typeId === NEW) setChosen(deviceTypeId);
      const device = await call<One<Device>>('/v1/devices', { method: 'POST', body: { info: { name, deviceTypeId } } });
      const path = `/v1/devices/${device.data.id}/credentials`;
      const made = await call<One<Added>>(path, { method: 'POST', body: { type: 'password' } });
      setAdded({ device: device.data, username: made.data.username, password: made.data.password });
      onAdded();
    } catch (thrown) {
      setError(thrown instanceof Error ? thrown : new Error(String(thrown)));
    } finally {
      void types.refetch();
      setBusy(false);
    }
  };
  if (added) return <Shown of={added} onClose={onClose} />;
  const missing =
    name.trim() === ''
      ? 'Give the device a name.'
      : typeId === NEW && typeName.trim() === ''
        ? 'Give the type a name.'
        : undefined;
  return (
    <Dialog title="Add a device" onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          if (missing === undefined && !busy) void add();
        }}
      >
        <Field label="Name" value={name} autoFocus onChange={({ target }) => setName(target.value)} />
        <Choice
          label="Type"
          value={typeId}
          options={[...(types.data?.data.map((type) => [type.id, type.name] as const) ?? []), [NEW, 'A new type…']]}
          onChoose={setChosen}
        />
        {typeId === NEW ? (
          <Field
            label="Name of the new type"
            hint="It gets one slot, named firmware. More slots are added on its page."
            value={typeName}
            onChange={({ target }) => setTypeName(target.value)}
          />
        ) : null}
        {error ? <Fault error={error} /> : null}
        <div className="row">
          <Button look="first" type="submit" whyNot={missing} busy={busy}>
            Add
          </Button>
          <Button onPress={onClose}>Close</Button>
        </div>
      </form>
    </Dialog>
  );
}

function Shown({ of, onClose }: { readonly of: Added; readonly onClose: () => void }): ReactNode {
  return (
    <Dialog title={`${of.device.info.name} is added`}>
      <p>With these it connects over MQTT. The password is shown this once.</p>
      <Facts
        of={[
          ['User name', <Secret key="u" text={of.username} what="user name" />],
          ['Password', <Secret key="p" text={of.password} what="password" />],
        ]}
      />
      <div className="row">
        <Link to={`/devices/${of.device.id}`} className="button first">
          Open the device
        </Link>
        <Button onPress={onClose}>Close</Button>
      </div>
    </Dialog>
  );
}

function Secret({ text, what }: { readonly text: string; readonly what: string }): ReactNode {
  return (
    <span>
      <code>{text}</code> <CopyButton text={text} what={what} />
    </span>
  );
}
