import type { ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { printBytes } from '../../design/bytes.js';
import { CopyButton } from '../../design/copy.js';
import { Choice } from '../../design/field.js';
import { IdLink, ToThing } from '../../design/ids.js';
import { Answered, Notice } from '../../design/notice.js';
import { PageOf, Sheet } from '../../design/page.js';
import { Search } from '../../design/search.js';
import { More, Table, Total } from '../../design/table.js';
import { Tabs } from '../../design/tabs.js';
import { Time } from '../../design/time.js';
import { useUrlValue } from '../../design/url.js';
import { useList, type Listed } from '../../service/queries.js';
import type { Firmware } from '../../service/types.js';
import { Add } from './add.js';
import { MatrixOfTypes } from './matrix.js';
import { ArtifactBadge, artifactWords } from './state.js';

const STATES = [
  ['', 'All'],
  ['ready', 'Ready'],
  ['draft', 'Waiting for the file'],
  ['expired', 'Expired'],
] as const;
type State = (typeof STATES)[number][0];

/** Digits that tell two files apart by eye; the button copies all 64. */
const SHOWN_OF_HASH = 12;

/** What can be installed: a file is dropped here, and every artifact says what it is and whether it is whole. */
export function Page(): ReactNode {
  const [tab] = useUrlValue('tab');
  const [q, setQ] = useUrlValue('q');
  const [chosen, setState] = useUrlValue('state');
  const state: State = STATES.find(([one]) => one === chosen)?.[0] ?? '';
  const list = useList<Firmware>('/v1/firmwares', { q, state }, { about: ['firmwares'] });
  return (
    <PageOf
      title="Artifacts"
      beside={<Total of={list} />}
      actions={
        <Button onPress={() => void list.refetch()} busy={list.isRefetching}>
          Refresh
        </Button>
      }
    >
      <Add />
      <Tabs
        label="Parts of the page"
        tabs={[
          ['', 'All artifacts'],
          ['slots', 'What may go where'],
        ]}
      />
      {tab === 'slots' ? (
        <MatrixOfTypes />
      ) : (
        <>
          <div className="filters">
            <Search label="Part of the name" value={q} onSearch={setQ} />
            <Choice<State> label="State" value={state} options={STATES} onChoose={setState} />
          </div>
          <Rows of={list} isFiltered={q !== '' || state !== ''} />
        </>
      )}
    </PageOf>
  );
}

function Rows({ of, isFiltered }: { readonly of: Listed<Firmware>; readonly isFiltered: boolean }): ReactNode {
  return (
    <Answered
      query={of}
      lines={8}
      isEmpty={({ rows }) => rows.length === 0}
      empty={
        isFiltered ? (
          <Notice title="No artifact is like that">
            <p>Change the name or the state above.</p>
          </Notice>
        ) : (
          <Notice title="No artifact yet">
            <p>Upload a file above. Then say which slots of which device types may hold it, and install it.</p>
          </Notice>
        )
      }
    >
      {({ rows }) => (
        <Sheet flush>
          <Table label="Artifacts" columns={['Name', 'State', '#Size', 'SHA-256', 'Created', 'By', 'Id']}>
            {rows.map((one) => (
              <tr key={one.id}>
                <td>
                  <ToThing kind="firmware" id={one.id}>
                    {artifactWords(one)}
                  </ToThing>
                </td>
                <td>
                  <ArtifactBadge state={one.state} />
                </td>
                <td className="number nowrap">{one.size === undefined ? '' : printBytes(one.size)}</td>
                <td className="nowrap">{one.sha256 === undefined ? '' : <Hash sha256={one.sha256} />}</td>
                <td>
                  <Time at={one.createdAt} />
                </td>
                <td>{one.createdBy}</td>
                <td>
                  <IdLink kind="firmware" id={one.id} />
                </td>
              </tr>
            ))}
          </Table>
          <More of={of} />
        </Sheet>
      )}
    </Answered>
  );
}

function Hash({ sha256 }: { readonly sha256: string }): ReactNode {
  return (
    <>
      <code title={sha256}>{sha256.slice(0, SHOWN_OF_HASH)}…</code> <CopyButton text={sha256} what="SHA-256" />
    </>
  );
}
