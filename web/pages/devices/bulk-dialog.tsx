import { useState, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { Dialog } from '../../design/dialog.js';
import { Choice, Field } from '../../design/field.js';
import { Fault } from '../../design/notice.js';
import { useChange, useWhyNot } from '../../service/queries.js';
import type { Job, One } from '../../service/types.js';

const ACTIONS = [
  ['tag', 'Add a tag'],
  ['untag', 'Take a tag away'],
  ['cancel', 'Cancel their open installations'],
  ['retry', 'Retry what ended badly'],
  ['delete', 'Delete the devices'],
] as const;
type Action = (typeof ACTIONS)[number][0];

/** Does something to all devices that a filter matches: first the count, then the job. */
export function BulkDialog({
  filter,
  onClose,
  onBegun,
}: {
  readonly filter: string;
  readonly onClose: () => void;
  readonly onBegun: (jobId: string) => void;
}): ReactNode {
  const [action, setAction] = useState<Action>('tag');
  const [tag, setTag] = useState('');
  const needsTag = action === 'tag' || action === 'untag';
  const body = { action, filter, ...(needsTag ? { tag } : {}) };
  const counted = useChange<One<Job>>(() => ({
    path: '/v1/devices/bulk',
    method: 'POST',
    body: { ...body, dryRun: true },
  }));
  const begun = useChange<One<Job>>(() => ({ path: '/v1/devices/bulk', method: 'POST', body }), ['devices']);
  const whyNot = useWhyNot(action === 'cancel' || action === 'retry' ? 'firmware:write' : 'devices_base_data:write');
  const total = counted.data?.data.total;
  const missing = needsTag && !/^[\w-]+$/.test(tag) ? 'A tag consists of letters, digits, _ and -.' : undefined;
  const choose = (next: Action): void => {
    setAction(next);
    counted.reset();
  };
  return (
    <Dialog title="Do something to many devices" onClose={onClose}>
      <p className="small quiet">
        Those that match now: <code>{filter.length > 200 ? `${filter.slice(0, 200)}…` : filter}</code>
      </p>
      <Choice label="What" value={action} options={ACTIONS} onChoose={choose} />
      {needsTag ? (
        <Field
          label="Tag"
          value={tag}
          fault={tag === '' ? undefined : missing}
          onChange={({ target }) => {
            setTag(target.value);
            counted.reset();
          }}
        />
      ) : null}
      {total === undefined ? null : (
        <p role="status">
          <strong>{total.toLocaleString('en')} devices</strong>
          {action === 'delete'
            ? ' are deleted. This cannot be undone.'
            : ' are changed, one after the other, by a job.'}
        </p>
      )}
      {counted.error ? <Fault error={counted.error} /> : null}
      {begun.error ? <Fault error={begun.error} /> : null}
      <div className="row">
        {total === undefined ? (
          <Button look="first" whyNot={whyNot ?? missing} busy={counted.isPending} onPress={() => counted.mutate()}>
            Count them first
          </Button>
        ) : (
          <Button
            look={action === 'delete' ? 'danger' : 'first'}
            whyNot={total === 0 ? 'No device matches.' : undefined}
            busy={begun.isPending}
            onPress={() => begun.mutate(undefined, { onSuccess: ({ data }) => onBegun(data.id) })}
          >
            Begin
          </Button>
        )}
        <Button onPress={onClose}>Close</Button>
      </div>
    </Dialog>
  );
}
