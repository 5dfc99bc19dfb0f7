import { Link, useNavigate } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { printBytes } from '../../design/bytes.js';
import { Confirm } from '../../design/confirm.js';
import { CopyButton } from '../../design/copy.js';
import { Check } from '../../design/field.js';
import { OwnId } from '../../design/ids.js';
import { Answered, Fault, Notice } from '../../design/notice.js';
import { Facts, PageOf, Sheet } from '../../design/page.js';
import { Time } from '../../design/time.js';
import { say } from '../../design/toast.js';
import { usePart } from '../../design/url.js';
import { useApi, useChange, useWhyNot } from '../../service/queries.js';
import { call } from '../../service/request.js';
import type { Firmware, One } from '../../service/types.js';
import { ArtifactBadge, artifactWords } from '../artifacts/state.js';
import { Attach } from './attach.js';
import { Slots } from './slots.js';
import { Usage } from './usage.js';

/** One artifact: what it is, which slots may hold it, and where it is used. */
export function Page(): ReactNode {
  const firmwareId = usePart('firmwareId');
  const path = `/v1/firmwares/${firmwareId}`;
  const query = useApi<One<Firmware>>(path, { about: ['firmwares', `firmware:${firmwareId}`] });
  const one = query.data?.data;
  return (
    <PageOf
      title={one ? artifactWords(one) : 'Artifact'}
      above={<Link to="/artifacts">Artifacts</Link>}
      beside={one ? <ArtifactBadge state={one.state} /> : null}
      actions={one ? <Actions of={one} path={path} /> : null}
    >
      <Answered query={query} lines={8}>
        {({ data }) => (
          <>
            {data.state === 'draft' ? <Attach of={data} /> : null}
            {data.state === 'expired' ? (
              <Notice title="Its file never came">
                <p>
                  It waited too long and takes no file any more.{' '}
                  <Link to="/artifacts">Upload it as a new artifact</Link>
                </p>
              </Notice>
            ) : null}
            <Base of={data} />
            {data.state === 'ready' ? (
              <>
                <Slots of={data} />
                <Usage firmwareId={data.id} />
              </>
            ) : null}
          </>
        )}
      </Answered>
    </PageOf>
  );
}

function Base({ of }: { readonly of: Firmware }): ReactNode {
  const labels = Object.entries(of.labels);
  return (
    <Sheet title="What it is">
      <Facts
        of={[
          ['Id', <OwnId key="id" id={of.id} what="artifact" />],
          ['SHA-256', of.sha256 === undefined ? undefined : <Hash key="hash" sha256={of.sha256} />],
          ['Size', of.size === undefined ? undefined : size(of.size)],
          ['Version', of.version ?? 'none: devices cannot tell whether it is newer'],
          ['Description', of.description ?? undefined],
          ['Served as', <code key="type">{of.contentType}</code>],
          ['Labels', labels.length === 0 ? undefined : labels.map(([name, value]) => `${name}=${value}`).join(', ')],
          [
            'Expected',
            of.sha256 === undefined && of.expected?.sha256 !== undefined ? (
              <code key="expected">{of.expected.sha256}</code>
            ) : undefined,
          ],
          ['Created', <Time key="at" at={of.createdAt} />],
          ['By', of.createdBy],
        ]}
      />
    </Sheet>
  );
}

function size(bytes: number): string {
  return bytes < 1_000 ? `${bytes} bytes` : `${printBytes(bytes)} (${bytes.toLocaleString('en')} bytes)`;
}

function Hash({ sha256 }: { readonly sha256: string }): ReactNode {
  return (
    <>
      <code>{sha256}</code> <CopyButton text={sha256} what="SHA-256" />
    </>
  );
}

function Actions({ of, path }: { readonly of: Firmware; readonly path: string }): ReactNode {
  const navigate = useNavigate();
  const denied = useWhyNot('firmware:write');
  const [force, setForce] = useState(false);
  const remove = useChange<void>(
    () => ({ path: force ? `${path}?force=true` : path, method: 'DELETE' }),
    ['firmwares', 'associations', 'installations'],
  );
  const download = useDownload(path);
  return (
    <>
      {of.state === 'ready' ? (
        <Button busy={download.isBusy} onPress={() => void download.begin()}>
          Download
        </Button>
      ) : null}
      {of.state === 'retired' ? null : (
        <Confirm
          words="Delete"
          title={`Delete ${artifactWords(of)}`}
          change={remove}
          whyNot={denied}
          onDone={() => {
            say('It is deleted.');
            void navigate({ to: '/artifacts' });
          }}
        >
          <p>
            Its bytes go, and no slot may hold it any more. Name, version, size and SHA-256 stay for the audit. Devices
            that have it keep it.
          </p>
          <Check
            label="Cancel installations that have not ended"
            hint="Without this, they are a reason not to delete it."
            checked={force}
            onCheck={setForce}
          />
        </Confirm>
      )}
      {download.error ? <Fault error={download.error} /> : null}
    </>
  );
}

/** A link to the bytes works for some minutes only: it is asked for when it is needed. */
function useDownload(path: string) {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<Error>();
  return {
    isBusy,
    error,
    async begin(): Promise<void> {
      setBusy(true);
      setError(undefined);
      try {
        const { downloadUrl } = (await call<One<Firmware>>(path)).data;
        if (downloadUrl !== undefined) location.assign(downloadUrl);
      } catch (thrown) {
        if (!(thrown instanceof Error)) throw thrown;
        setError(thrown);
      } finally {
        setBusy(false);
      }
    },
  };
}
