import { Link, useNavigate } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { Dialog } from '../../design/dialog.js';
import { Check, Choice } from '../../design/field.js';
import { Answered, Fault, Notice } from '../../design/notice.js';
import { useApi, useChange } from '../../service/queries.js';
import type { Association, Firmware, Installation, One, Page } from '../../service/types.js';

/** Requests an installation of one of the firmwares that this slot may hold. */
export function Install({
  deviceId,
  deviceTypeId,
  slot,
  onClose,
}: {
  readonly deviceId: string;
  readonly deviceTypeId: string;
  readonly slot: string;
  readonly onClose: () => void;
}): ReactNode {
  const path = `/v1/device-types/${deviceTypeId}/slots/${slot}/firmware-associations?pageSize=100`;
  const associations = useApi<Page<Association>>(path, { about: ['associations'] });
  return (
    <Dialog title={`Install into ${slot}`} onClose={onClose}>
      <Answered
        query={associations}
        isEmpty={({ data }) => data.length === 0}
        empty={
          <>
            <Notice title="No firmware may go into this slot">
              <p>
                <Link to="/artifacts">Upload one</Link>, and mark this slot of the device type on its page, or choose
                among{' '}
                <Link to="/artifacts" search={{ tab: 'slots', type: deviceTypeId }}>
                  those that are there
                </Link>
                .
              </p>
            </Notice>
            <Button onPress={onClose}>Close</Button>
          </>
        }
      >
        {({ data }) => (
          <Form deviceId={deviceId} slot={slot} ids={data.map((one) => one.firmwareId)} onClose={onClose} />
        )}
      </Answered>
    </Dialog>
  );
}

function Form({
  deviceId,
  slot,
  ids,
  onClose,
}: {
  readonly deviceId: string;
  readonly slot: string;
  readonly ids: readonly string[];
  readonly onClose: () => void;
}): ReactNode {
  const navigate = useNavigate();
  const firmwares =
    useApi<Page<Firmware>>('/v1/firmwares?pageSize=100&state=ready', { about: ['firmwares'] }).data?.data ?? [];
  const [chosen, setChosen] = useState<string>();
  const [hold, setHold] = useState(false);
  const options = ids.map((id): [string, string] => {
    const found = firmwares.find((one) => one.id === id);
    return [id, found ? `${found.name} ${found.version ?? ''}`.trim() : id];
  });
  const firmwareId = chosen ?? ids[0] ?? '';
  const request = useChange<One<Installation>>(
    () => ({
      path: `/v1/devices/${deviceId}/firmware-installations`,
      method: 'POST',
      body: { firmwareId, slot, gate: hold ? 'hold' : 'go' },
    }),
    [`device:${deviceId}`, 'installations', 'devices'],
  );
  return (
    <>
      <Choice label="Firmware" value={firmwareId} options={options} onChoose={setChosen} />
      <Check
        label="Hold it after the download"
        hint="It then waits until an operator releases it."
        checked={hold}
        onCheck={setHold}
      />
      {request.error ? <Fault error={request.error} /> : null}
      <div className="row">
        <Button
          look="first"
          busy={request.isPending}
          onPress={() =>
            request.mutate(undefined, {
              onSuccess: ({ data }) => void navigate({ to: `/installations/${data.id}`, search: { device: deviceId } }),
            })
          }
        >
          Install
        </Button>
        <Button onPress={onClose}>Close</Button>
      </div>
    </>
  );
}
