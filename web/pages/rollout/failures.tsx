import type { ReactNode } from 'react';
import { ToThing } from '../../design/ids.js';
import { Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import type { Rollout } from '../../service/types.js';
import { targetWords } from './counters.js';

/** Why targets ended badly, the most frequent reason first, each with a device to look at. */
export function Failures({ of }: { readonly of: Rollout }): ReactNode {
  const { failuresBy = [] } = of;
  return (
    <Sheet title="Failures by reason" flush={failuresBy.length > 0}>
      {failuresBy.length === 0 ? (
        <Notice title="No device has failed" within />
      ) : (
        <div className="table-frame" tabIndex={0} role="group" aria-label="Failures by reason">
          <table className="table">
            <thead>
              <tr>
                <th className="number">Devices</th>
                <th>Reason</th>
                <th>Group</th>
                <th>For example</th>
              </tr>
            </thead>
            <tbody>
              {failuresBy.map(({ group, outcome, code, count, exampleDeviceId }) => (
                <tr key={`${group} ${outcome} ${code}`}>
                  <td className="number">{count.toLocaleString('en')}</td>
                  <td>
                    <code className="breaks">{code}</code>
                    <span className="small quiet">{targetWords(outcome)}</span>
                  </td>
                  <td>{group}</td>
                  <td>
                    <ToThing kind="device" id={exampleDeviceId} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Sheet>
  );
}
