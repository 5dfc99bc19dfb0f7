import type { ReactNode } from 'react';
import { Badge } from '../../design/badge.js';
import { useNow } from '../../design/clock.js';
import { Confirm } from '../../design/confirm.js';
import { CopyButton } from '../../design/copy.js';
import { Answered, Notice } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { Left, Time } from '../../design/time.js';
import { say } from '../../design/toast.js';
import { useApi, useChange, useWhyNot } from '../../service/queries.js';
import type { Certificate, One, Page } from '../../service/types.js';
import { factsOf } from './certificate-facts.js';

/** Less time than this is worth a look: devices renew at two thirds of 90 days. */
const SOON_MS = 30 * 86_400_000;
const SHOWN_OF_FINGERPRINT = 16;

/** Certificates by which a device is let in: who issued each, until when it works, and the way to end it. */
export function Certificates({ deviceId }: { readonly deviceId: string }): ReactNode {
  const path = `/v1/devices/${deviceId}/certificates`;
  const query = useApi<Page<Certificate>>(path, { about: ['certificates', `device:${deviceId}`] });
  return (
    <Sheet title="Certificates">
      <Answered
        query={query}
        isEmpty={({ data }) => data.length === 0}
        empty={
          <Notice title="It has no certificate" within>
            <p>A device that enrols by itself gets one.</p>
          </Notice>
        }
      >
        {({ data }) => (
          <ul className="stack">
            {data.map((one) => (
              <li key={one.id} className="row spread">
                <Shown of={one} />
                {one.status === 'valid' ? <Revoke of={one} path={`${path}/${one.id}`} /> : null}
              </li>
            ))}
          </ul>
        )}
      </Answered>
    </Sheet>
  );
}

function Shown({ of: { cert, fingerprint, status, createdAt } }: { readonly of: Certificate }): ReactNode {
  const facts = factsOf(cert);
  const left = facts === undefined ? Infinity : Date.parse(facts.until) - useNow();
  const isOver = left <= 0;
  return (
    <div className="stack tight">
      <div className="row">
        {status === 'revoked' ? (
          <Badge tone="bad">revoked</Badge>
        ) : (
          <Badge tone={isOver ? 'bad' : left < SOON_MS ? 'warn' : 'ok'}>{isOver ? 'expired' : 'valid'}</Badge>
        )}
        <span className="nowrap">
          <code title={fingerprint}>{fingerprint.slice(0, SHOWN_OF_FINGERPRINT)}…</code>{' '}
          <CopyButton text={fingerprint} what="fingerprint" />
        </span>
      </div>
      <span className="small quiet">
        {facts === undefined ? null : (
          <>
            {isOver ? 'ended' : 'ends'} <Time at={facts.until} />
            {isOver ? null : (
              <>
                , <Left at={facts.until} />
              </>
            )}
            <br />
            {facts.issuer === undefined ? null : (
              <>
                from the authority {facts.issuer}
                <br />
              </>
            )}
          </>
        )}
        registered <Time at={createdAt} />
      </span>
    </div>
  );
}

function Revoke({ of, path }: { readonly of: Certificate; readonly path: string }): ReactNode {
  const whyNot = useWhyNot('device_certificates:write');
  const revoke = useChange<One<Certificate>>(
    () => ({ path, method: 'PATCH', body: { status: 'revoked' } }),
    ['certificates'],
  );
  return (
    <Confirm
      words="Revoke"
      of={`the certificate ${of.fingerprint.slice(0, SHOWN_OF_FINGERPRINT)}`}
      title="Revoke the certificate"
      change={revoke}
      whyNot={whyNot}
      onDone={() => say('It is revoked.')}
    >
      <p>It lets nothing in any more, and its connections are cut within 5 seconds.</p>
    </Confirm>
  );
}
