import { useState, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { CopyButton } from '../../design/copy.js';
import { Answered, Fault, Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { Time } from '../../design/time.js';
import { useApi, useChange, useWhyNot } from '../../service/queries.js';
import type { Credential, One, Page } from '../../service/types.js';
import { Certificates } from './certificates.js';

/** With what a device may connect. */
export function Access({ deviceId }: { readonly deviceId: string }): ReactNode {
  const base = `/v1/devices/${deviceId}`;
  const credentials = useApi<Page<Credential>>(`${base}/credentials`);
  const whyNot = useWhyNot('device_certificates:write');
  const [going, setGoing] = useState<string>();
  const made = useChange<One<Credential & { password: string }>>(() => ({
    path: `${base}/credentials`,
    method: 'POST',
    body: { type: 'password' },
  }));
  const removed = useChange<void, string>((id) => ({ path: `${base}/credentials/${id}`, method: 'DELETE' }));
  const after = { onSettled: () => void credentials.refetch() };
  const fresh = made.data?.data;
  return (
    <div className="columns">
      <Sheet
        title="Passwords"
        aside={
          <Button whyNot={whyNot} busy={made.isPending} onPress={() => made.mutate(undefined, after)}>
            Make a password
          </Button>
        }
      >
        <div className="stack tight">
          {made.error ? <Fault error={made.error} /> : null}
          {removed.error ? <Fault error={removed.error} /> : null}
          {fresh ? (
            <Notice title="A new password">
              <p>
                It is shown this once: <code>{fresh.password}</code>{' '}
                <CopyButton text={fresh.password} what="password" />
              </p>
            </Notice>
          ) : null}
          <Answered
            query={credentials}
            isEmpty={({ data }) => data.length === 0}
            empty={
              <Notice title="It has no password" within>
                <p>Without a password or a certificate the device cannot connect by itself.</p>
              </Notice>
            }
          >
            {({ data }) => (
              <ul className="stack tight">
                {data.map(({ id, username, createdAt }) => (
                  <li key={id} className="row spread">
                    <span>
                      <code>{username}</code>
                      <br />
                      <span className="small quiet">
                        made <Time at={createdAt} />
                      </span>
                    </span>
                    {going === id ? (
                      <span className="row">
                        <Button look="danger" whyNot={whyNot} onPress={() => removed.mutate(id, after)}>
                          Yes, it stops working
                        </Button>
                        <Button onPress={() => setGoing(undefined)}>Keep it</Button>
                      </span>
                    ) : (
                      <Button whyNot={whyNot} onPress={() => setGoing(id)}>
                        Delete…
                      </Button>
                    )}
                  </li>
                ))}
              </ul>
            )}
          </Answered>
        </div>
      </Sheet>
      <Certificates deviceId={deviceId} />
    </div>
  );
}
