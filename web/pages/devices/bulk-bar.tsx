import { Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { useWhyNot } from '../../service/queries.js';
import { BulkDialog } from './bulk-dialog.js';
import { NONE, type Selection } from './selection.js';

/** A filter holds as many ids as its length allows (domain/fleet/filter.ts). */
const MOST_IDS = 100;

/** What is selected, and what can be done to it. */
export function BulkBar({
  selection,
  total,
  filter,
  onSelect,
}: {
  readonly selection: Selection;
  readonly total: number;
  readonly filter: string;
  readonly onSelect: (selection: Selection) => void;
}): ReactNode {
  const [asked, setAsked] = useState(false);
  const [job, setJob] = useState<string>();
  const noWrite = useWhyNot('devices_base_data:write');
  const noFirmware = useWhyNot('firmware:write');
  const count = selection.all ? total : selection.ids.size;
  const tooMany =
    !selection.all && count > MOST_IDS
      ? `At most ${MOST_IDS} single rows; select all that match, or filter.`
      : undefined;
  const chosen = selection.all ? filter || 'name==*' : `id=in=(${[...selection.ids].join(',')})`;
  return (
    <div className="row bulk">
      {count === 0 ? (
        <>
          <span className="quiet small">Nothing is selected. Space selects a row, Enter opens it.</span>
          <Button look="plain" onPress={() => onSelect({ all: true })}>
            Select all {total.toLocaleString('en')} that match
          </Button>
        </>
      ) : (
        <>
          <strong role="status">
            {count.toLocaleString('en')} selected{selection.all ? ': all that match' : ''}
          </strong>
          <Button
            whyNot={tooMany ?? (noWrite !== undefined && noFirmware !== undefined ? noWrite : undefined)}
            onPress={() => setAsked(true)}
          >
            Do something to them…
          </Button>
          {selection.all ? null : (
            <Button look="plain" onPress={() => onSelect({ all: true })}>
              Select all {total.toLocaleString('en')} that match
            </Button>
          )}
          <Button look="plain" onPress={() => onSelect(NONE)}>
            Clear
          </Button>
        </>
      )}
      {job === undefined ? null : (
        <span role="status">
          The job runs: <Link to={`/jobs/${job}`}>follow it</Link>
        </span>
      )}
      {asked ? (
        <BulkDialog
          filter={chosen}
          onClose={() => setAsked(false)}
          onBegun={(id) => {
            setAsked(false);
            setJob(id);
          }}
        />
      ) : null}
    </div>
  );
}
