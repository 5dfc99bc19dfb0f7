import { Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { isEnded } from '../../domain/installation/states.js';
import { StateBadge } from '../design/badge.js';
import { Button } from '../design/button.js';
import { Dialog } from '../design/dialog.js';
import { Field } from '../design/field.js';
import { OwnId, ToThing } from '../design/ids.js';
import { Answered, Fault, Notice } from '../design/notice.js';
import { Facts, PageOf, Sheet } from '../design/page.js';
import { Left, Sentence, Time } from '../design/time.js';
import { inWords } from '../design/tones.js';
import { usePart, useUrl } from '../design/url.js';
import { useApi, useChange, useWhyNot } from '../service/queries.js';
import type { HistoryEvent, Installation, One, Page as PageOfList } from '../service/types.js';
import { Attempt } from './attempt.js';

/** One installation: its steps, what it waits for, its history, and what may be done to it. */
export function Page(): ReactNode {
  const installationId = usePart('installationId');
  const { device = '' } = useUrl();
  if (device === '') return <Found installationId={installationId} />;
  return <Shown installationId={installationId} deviceId={device} />;
}

/** A link may name only the installation; the history knows its device. */
function Found({ installationId }: { readonly installationId: string }): ReactNode {
  const open = useApi<PageOfList<Installation>>('/v1/firmware-installations?pageSize=100', {
    about: ['installations'],
  });
  return (
    <Answered query={open}>
      {({ data }) => {
        const found = data.find(({ id }) => id === installationId);
        if (found) return <Shown installationId={installationId} deviceId={found.deviceId} />;
        return <OfEvents installationId={installationId} />;
      }}
    </Answered>
  );
}

function OfEvents({ installationId }: { readonly installationId: string }): ReactNode {
  const events = useApi<PageOfList<HistoryEvent>>('/v1/events?order=desc&event=requested&pageSize=100');
  return (
    <Answered query={events}>
      {({ data }) => {
        const deviceId = data.find((event) => event.installationId === installationId)?.deviceId;
        if (deviceId !== undefined) return <Shown installationId={installationId} deviceId={deviceId} />;
        return (
          <PageOf title="Installation">
            <Notice title="Its device is not known here">
              <p>
                It is none of the newest. Open it from the page of its <Link to="/devices">device</Link>.
              </p>
            </Notice>
          </PageOf>
        );
      }}
    </Answered>
  );
}

function Shown({
  installationId,
  deviceId,
}: {
  readonly installationId: string;
  readonly deviceId: string;
}): ReactNode {
  const path = `/v1/devices/${deviceId}/firmware-installations/${installationId}`;
  const query = useApi<One<Installation>>(path, { about: [`installation:${installationId}`] });
  const one = query.data?.data;
  return (
    <PageOf
      title={one ? `Installation into ${one.slot}` : 'Installation'}
      above={<Link to={`/devices/${deviceId}`}>The device</Link>}
      beside={one ? <StateBadge state={one.state} /> : null}
      actions={one ? <Actions of={one} path={path} /> : null}
    >
      <Answered query={query} lines={8}>
        {({ data }) => (
          <>
            {data.waitingOn === null ? null : (
              <Sheet title="It waits" aside={data.nextActionAt === null ? null : <Left at={data.nextActionAt} />}>
                <p>
                  <Sentence text={data.waitingOn} />
                </p>
              </Sheet>
            )}
            {data.error ? (
              <Notice title={data.error.code} bad>
                <p>
                  <Sentence text={data.error.message} />
                </p>
              </Notice>
            ) : null}
            <Sheet title={`Attempt ${data.attempt} of ${data.retry.maxAttempts}`}>
              <Attempt of={data} />
            </Sheet>
            <div className="columns">
              <Sheet title="What was asked for">
                <Base of={data} />
              </Sheet>
              <Sheet title="What happened">
                <History of={data} />
              </Sheet>
            </div>
          </>
        )}
      </Answered>
    </PageOf>
  );
}

function Base({ of }: { readonly of: Installation }): ReactNode {
  const { timeouts } = of;
  return (
    <Facts
      of={[
        ['Id', <OwnId key="id" id={of.id} what="installation" />],
        ['Firmware', <ToThing key="f" kind="firmware" id={of.firmwareId} />],
        ['Requested', <Time key="t" at={of.requestedAt} />],
        ['By', of.requestedBy],
        ['Rollout', of.rolloutId === null ? undefined : <ToThing key="r" kind="rollout" id={of.rolloutId} />],
        [
          'Retry of',
          of.retryOf === null ? undefined : (
            <ToThing key="o" kind="installation" id={of.retryOf} device={of.deviceId} />
          ),
        ],
        ['Not before', of.notBefore === null ? undefined : <Time key="n" at={of.notBefore} />],
        ['Deadline', of.deadline === null ? undefined : <Time key="d" at={of.deadline} />],
        [
          'Timeouts',
          `offer ${timeouts.offer}, download ${timeouts.download}, install ${timeouts.install}, confirm ${timeouts.confirm}`,
        ],
        ['Soak', of.soak],
        [
          'Process',
          of.workflowUrl === null ? undefined : (
            <a key="w" href={of.workflowUrl} rel="noreferrer">
              in the Temporal UI
            </a>
          ),
        ],
      ]}
    />
  );
}

function History({ of }: { readonly of: Installation }): ReactNode {
  return (
    <ol className="timeline">
      {of.history.toReversed().map(({ at, event, data }, index) => (
        <li key={`${at} ${index}`}>
          <Time at={at} />
          <div>
            {inWords(event)}{' '}
            <span className="small quiet">
              {typeof data['by'] === 'string'
                ? `by ${data['by'].replace(/\b([0-9a-f]{8})(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/, '$1')}`
                : null}
            </span>
            {typeof data['message'] === 'string' ? <Sentence text={data['message']} /> : null}
          </div>
        </li>
      ))}
    </ol>
  );
}

function Actions({ of, path }: { readonly of: Installation; readonly path: string }): ReactNode {
  const [cancelling, setCancelling] = useState(false);
  const [reason, setReason] = useState('');
  const denied = useWhyNot('firmware:write');
  const topics = [`installation:${of.id}`, `device:${of.deviceId}`, 'installations'] as const;
  const act = useChange<unknown, { what: 'cancel' | 'release' | 'retry'; body?: object }>(
    ({ what, body = {} }) => ({ path: `${path}/${what}`, method: 'POST', body }),
    topics,
  );
  const ended = isEnded(of.state);
  return (
    <>
      {of.gate === 'hold' && !ended ? (
        <Button look="first" whyNot={denied} busy={act.isPending} onPress={() => act.mutate({ what: 'release' })}>
          Release
        </Button>
      ) : null}
      {ended ? (
        <Button
          whyNot={denied ?? (of.state === 'installed' ? 'It is installed.' : undefined)}
          busy={act.isPending}
          onPress={() => act.mutate({ what: 'retry' })}
        >
          Retry
        </Button>
      ) : (
        <Button look="danger" whyNot={denied} onPress={() => setCancelling(true)}>
          Cancel…
        </Button>
      )}
      {act.error && !cancelling ? <Fault error={act.error} /> : null}
      {cancelling ? (
        <Dialog title="Cancel the installation" onClose={() => setCancelling(false)}>
          <p>The device is asked to stop. Where it cannot, the installation ends when its deadline has passed.</p>
          <Field label="Reason" value={reason} maxLength={255} onChange={({ target }) => setReason(target.value)} />
          {act.error ? <Fault error={act.error} /> : null}
          <div className="row">
            <Button
              look="danger"
              busy={act.isPending}
              onPress={() =>
                act.mutate(
                  { what: 'cancel', body: reason === '' ? {} : { reason } },
                  { onSuccess: () => setCancelling(false) },
                )
              }
            >
              Cancel the installation
            </Button>
            <Button onPress={() => setCancelling(false)}>Let it go on</Button>
          </div>
        </Dialog>
      ) : null}
    </>
  );
}
