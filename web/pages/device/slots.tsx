import { useState, type ReactNode } from 'react';
import { StateBadge } from '../../design/badge.js';
import { Button } from '../../design/button.js';
import { ToThing } from '../../design/ids.js';
import { Answered, Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { Sentence, Time } from '../../design/time.js';
import { useApi, useWhyNot } from '../../service/queries.js';
import type { State } from '../../../domain/installation/states.js';
import type { DeviceSlot, Page, Timeline } from '../../service/types.js';
import { Install } from './install.js';

/** What each slot holds and is to hold, why, and what it waits for. */
export function Slots({
  deviceId,
  deviceTypeId,
}: {
  readonly deviceId: string;
  readonly deviceTypeId: string;
}): ReactNode {
  const about = [`device:${deviceId}`] as const;
  const slots = useApi<Page<DeviceSlot>>(`/v1/devices/${deviceId}/slots`, { about });
  const now = useApi<Timeline>(`/v1/devices/${deviceId}/timeline`, { about }).data?.data.now ?? [];
  const [into, setInto] = useState<string>();
  const whyNot = useWhyNot('firmware:write', 'devicetypes:read', 'firmware:read');
  return (
    <Answered
      query={slots}
      isEmpty={({ data }) => data.length === 0}
      empty={
        <Notice title="No slot">
          <p>Its type names no slot, and the device spoke of none. Without a slot nothing can be installed.</p>
        </Notice>
      }
    >
      {({ data }) => (
        <div className="columns">
          {data.map((slot) => (
            <Sheet
              key={slot.slot}
              title={slot.name ?? slot.slot}
              aside={
                <Button whyNot={whyNot} onPress={() => setInto(slot.slot)}>
                  Install…
                </Button>
              }
            >
              <OneSlot deviceId={deviceId} slot={slot} now={now.find((one) => one.slot === slot.slot)} />
            </Sheet>
          ))}
          {into === undefined ? null : (
            <Install deviceId={deviceId} deviceTypeId={deviceTypeId} slot={into} onClose={() => setInto(undefined)} />
          )}
        </div>
      )}
    </Answered>
  );
}

function OneSlot({
  deviceId,
  slot,
  now,
}: {
  readonly deviceId: string;
  readonly slot: DeviceSlot;
  readonly now: Timeline['data']['now'][number] | undefined;
}): ReactNode {
  const { current, desired } = slot;
  return (
    <div className="stack tight">
      <div className="slot">
        <div>
          <span className="small quiet">Holds</span>
          <strong>{current === null ? 'not said yet' : (current.version ?? 'unknown version')}</strong>
          {current?.reportedAt === undefined ? null : (
            <span className="small quiet">
              {current.confirmed ? 'confirmed' : 'said'} <Time at={current.reportedAt} />
            </span>
          )}
        </div>
        {desired ? (
          <div>
            <span className="small quiet">Is to hold</span>
            <ToThing kind="installation" id={desired.installationId} device={deviceId}>
              <strong>{desired.version ?? desired.name}</strong>
            </ToThing>
            <StateBadge state={desired.state as State} />
          </div>
        ) : null}
      </div>
      {now?.waitingOn.map((sentence) => (
        <p key={sentence} className="waits-for">
          <Sentence text={sentence} />
        </p>
      ))}
      {now?.whyNow == null ? null : (
        <p className="small">
          <Sentence text={now.whyNow} />
        </p>
      )}
      {now ? (
        <p className="small quiet">
          <Sentence text={now.why} />
        </p>
      ) : null}
      {slot.queued > 0 ? <p className="small quiet">{slot.queued} more in the queue of this slot.</p> : null}
    </div>
  );
}
