import { useState, type ReactNode } from 'react';
import { TARGET_STATES, type TargetState } from '../../../domain/rollout/facts.js';
import { FAILURES, isFailure } from '../../../domain/rollout/failures.js';
import { Badge } from '../../design/badge.js';
import { Button } from '../../design/button.js';
import { Choice } from '../../design/field.js';
import { ToThing } from '../../design/ids.js';
import { Answered, Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { Sentence } from '../../design/time.js';
import { inWords, type Tone } from '../../design/tones.js';
import { useUrlValue } from '../../design/url.js';
import { useApi } from '../../service/queries.js';
import { withQuery } from '../../service/request.js';
import type { FullRow, Page as PageOfList, Rollout, RolloutTarget } from '../../service/types.js';
import { countOf, targetWords } from './counters.js';

const PAGE_SIZE = 50;
const TONES: Readonly<Partial<Record<TargetState, Tone>>> = {
  installed: 'ok',
  alreadyInstalled: 'ok',
  inFlight: 'busy',
  canceled: 'warn',
  superseded: 'warn',
};
/** The API lists targets in the order in which they are taken: worst first is one list after the other. */
const CLASSES: readonly (readonly [title: string, states: readonly TargetState[]])[] = [
  ['Failed', FAILURES],
  ['Stopped', ['canceled', 'superseded']],
  ['On their way', ['inFlight', 'queued']],
  ['Waiting', ['pending']],
  ['Done', ['installed', 'alreadyInstalled', 'skipped']],
];

/** The devices of a rollout, worst first; the filters stand in the address. */
export function Targets({ of }: { readonly of: Rollout }): ReactNode {
  const [state, setState] = useUrlValue('state', true);
  const [group, setGroup] = useUrlValue('group', true);
  const counters = of.groups.find(({ name }) => name === group)?.counters ?? of.counters;
  const wanted = (states: readonly TargetState[]): readonly TargetState[] =>
    states.filter((one) => (state === '' || one === state) && counters[one] > 0);
  const lists = CLASSES.map(([title, states]) => [title, wanted(states)] as const).filter(
    ([, states]) => states.length > 0,
  );
  return (
    <>
      <div className="filters">
        <Choice
          label="State"
          value={state}
          options={[['', 'All'], ...TARGET_STATES.map((one) => [one, targetWords(one)] as const)]}
          onChoose={setState}
        />
        <Choice
          label="Group"
          value={group}
          options={[['', 'All'], ...of.groups.map(({ name }) => [name, name] as const)]}
          onChoose={setGroup}
        />
      </div>
      {lists.length === 0 ? (
        <Notice title="No device is so">
          <p>Choose another state or group.</p>
        </Notice>
      ) : null}
      {lists.map(([title, states]) => (
        <List
          key={`${title} ${group} ${state}`}
          rolloutId={of.id}
          title={title}
          states={states}
          group={group}
          count={countOf(counters, states)}
        />
      ))}
    </>
  );
}

function List({
  rolloutId,
  title,
  states,
  group,
  count,
}: {
  readonly rolloutId: string;
  readonly title: string;
  readonly states: readonly TargetState[];
  readonly group: string;
  readonly count: number;
}): ReactNode {
  const [cursors, setCursors] = useState<readonly string[]>(['']);
  return (
    <Sheet title={title} flush aside={<span className="quiet">{count.toLocaleString('en')}</span>}>
      <div className="table-frame" tabIndex={0} role="group" aria-label={`Devices: ${title}`}>
        <table className="table">
          <thead>
            <tr>
              <th>Device</th>
              <th>State</th>
              <th>Why</th>
              <th>Group</th>
              <th className="number">Attempt</th>
            </tr>
          </thead>
          {cursors.map((cursor, index) => (
            <Part
              key={cursor}
              rolloutId={rolloutId}
              path={withQuery(`/v1/rollouts/${rolloutId}/devices`, {
                state: states.join(','),
                group,
                pageSize: PAGE_SIZE,
                cursor,
              })}
              isLast={index === cursors.length - 1}
              onMore={(next) => setCursors((before) => (before.includes(next) ? before : [...before, next]))}
            />
          ))}
        </table>
      </div>
    </Sheet>
  );
}

function Part({
  rolloutId,
  path,
  isLast,
  onMore,
}: {
  readonly rolloutId: string;
  readonly path: string;
  readonly isLast: boolean;
  readonly onMore: (cursor: string) => void;
}): ReactNode {
  const query = useApi<PageOfList<RolloutTarget>>(path, { about: [`rollout:${rolloutId}`], keep: true });
  const ids = query.data?.data.map(({ deviceId }) => deviceId) ?? [];
  const names = useNames(ids);
  if (query.data === undefined)
    return (
      <tbody>
        <tr>
          <td colSpan={5}>
            <Answered query={query}>{() => null}</Answered>
          </td>
        </tr>
      </tbody>
    );
  const { data, meta } = query.data;
  const { nextCursor } = meta;
  return (
    <tbody>
      {data.map((target) => (
        <Row key={target.deviceId} of={target} name={names.get(target.deviceId)} />
      ))}
      {isLast && nextCursor !== undefined ? (
        <tr>
          <td colSpan={5}>
            <Button onPress={() => onMore(nextCursor)}>More</Button>
          </td>
        </tr>
      ) : null}
    </tbody>
  );
}

function Row({ of, name }: { readonly of: RolloutTarget; readonly name: string | undefined }): ReactNode {
  const { deviceId, state, group, attempt, installationId, because, rollBack } = of;
  const tone = isFailure(state) ? 'bad' : (TONES[state] ?? 'mute');
  const why = rollBack?.because ?? because;
  return (
    <tr>
      <td>
        <ToThing kind="device" id={deviceId}>
          {name}
        </ToThing>
      </td>
      <td>
        {installationId === undefined ? (
          <Badge tone={tone}>{targetWords(state)}</Badge>
        ) : (
          <ToThing kind="installation" id={installationId} device={deviceId}>
            <Badge tone={tone}>{targetWords(state)}</Badge>
          </ToThing>
        )}
        {rollBack ? <div className="small quiet">way back: {inWords(rollBack.state)}</div> : null}
      </td>
      <td className="why">{why === undefined ? null : <Sentence text={why} />}</td>
      <td>{group}</td>
      <td className="number">{attempt}</td>
    </tr>
  );
}

/** The names of devices by id. A caller who may not read devices sees ids. */
function useNames(ids: readonly string[]): ReadonlyMap<string, string> {
  const path = withQuery('/v1/devices', { deviceId: ids.join(','), fields: 'id,name', pageSize: PAGE_SIZE });
  const rows = useApi<PageOfList<FullRow>>(path, { enabled: ids.length > 0, keep: true }).data?.data ?? [];
  return new Map(rows.map(({ id, name }) => [id, name]));
}
