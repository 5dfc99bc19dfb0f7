import { useState, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { Confirm } from '../../design/confirm.js';
import { Dialog } from '../../design/dialog.js';
import { Choice } from '../../design/field.js';
import { Fault } from '../../design/notice.js';
import { say } from '../../design/toast.js';
import { useChange, useMe, useWhyNot } from '../../service/queries.js';
import type { ApiKey, ApiKeyWithSecret, One } from '../../service/types.js';

const OVERLAPS = [
  ['PT1H', 'one hour'],
  ['PT24H', 'one day'],
  ['P7D', 'seven days'],
  ['PT0S', 'not at all: it stops at once'],
] as const;
type Overlap = (typeof OVERLAPS)[number][0];
/** A key that rotates itself without `api_keys:write` may not stop at once. */
const LEAST_OF_OWN = 3;

/** Makes the successor of a key; both work for a while, so that what uses it can be changed over. */
export function Rotate({
  of,
  isOwn,
  onFresh,
}: {
  readonly of: ApiKey;
  readonly isOwn: boolean;
  readonly onFresh: (key: ApiKeyWithSecret) => void;
}): ReactNode {
  const [open, setOpen] = useState(false);
  const [overlap, setOverlap] = useState<Overlap>('PT24H');
  const denied = useWhyNot('api_keys:write');
  const me = useMe();
  const rotate = useChange<One<ApiKeyWithSecret>>(
    () => ({ path: `/v1/api-keys/${of.id}/rotate`, method: 'POST', body: { overlap } }),
    ['api keys'],
  );
  const isFree = me?.permissions.includes('api_keys:write') ?? false;
  return (
    <>
      <Button whyNot={isOwn ? undefined : denied} onPress={() => setOpen(true)}>
        Rotate…<span className="hidden-text"> the key {of.name}</span>
      </Button>
      {open ? (
        <Dialog title={`Rotate the key ${of.name}`} onClose={() => setOpen(false)}>
          <p>A new key with the same name, permissions and end is made, and shown once.</p>
          <Choice<Overlap>
            label="The old key still works"
            value={overlap}
            options={isFree ? OVERLAPS : OVERLAPS.slice(0, LEAST_OF_OWN)}
            onChoose={setOverlap}
          />
          {isOwn ? (
            <p className="hint">You came in with it: sign in with the new one before the old one ends.</p>
          ) : null}
          {rotate.error ? <Fault error={rotate.error} /> : null}
          <div className="row">
            <Button
              look="first"
              busy={rotate.isPending}
              onPress={() =>
                rotate.mutate(undefined, {
                  onSuccess: ({ data }) => {
                    setOpen(false);
                    onFresh(data);
                  },
                })
              }
            >
              Make the new key
            </Button>
            <Button onPress={() => setOpen(false)}>Close</Button>
          </div>
        </Dialog>
      ) : null}
    </>
  );
}

/** Ends a key for good. */
export function Revoke({ of, isOwn }: { readonly of: ApiKey; readonly isOwn: boolean }): ReactNode {
  const denied = useWhyNot('api_keys:write');
  const revoke = useChange<void>(() => ({ path: `/v1/api-keys/${of.id}`, method: 'DELETE' }), ['api keys']);
  return (
    <Confirm
      words="Revoke"
      of={`the key ${of.name}`}
      title={`Revoke the key ${of.name}`}
      change={revoke}
      whyNot={denied}
      onDone={() => say('It is revoked.')}
    >
      <p>It stops working everywhere in under 5 seconds, for good. What it did stays in the history.</p>
      {isOwn ? (
        <p>
          <strong>You came in with it:</strong> this page asks you to sign in again.
        </p>
      ) : null}
    </Confirm>
  );
}
