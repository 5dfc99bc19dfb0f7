import { useState, type ReactNode } from 'react';
import { Button } from './button.js';
import { Dialog } from './dialog.js';
import { Fault } from './notice.js';

/** What a change needs to be, to be asked about first: `useChange` makes one. */
interface Change {
  readonly isPending: boolean;
  readonly error: Error | null;
  readonly reset: () => void;
  readonly mutate: (variables: void, options: { readonly onSuccess: () => void }) => void;
}

/** A button for what cannot be undone: it says first what happens, and a refusal stands in the same dialog. */
export function Confirm({
  words,
  of,
  title,
  change,
  whyNot,
  missing,
  onDone,
  children,
}: {
  /** On both buttons; the first one has an ellipsis. */
  readonly words: string;
  /** Of a row: what the button is about, for those who do not see where it stands. */
  readonly of?: string;
  readonly title: string;
  readonly change: Change;
  /** Why it is not possible at all. */
  readonly whyNot?: string | undefined;
  /** What the dialog still asks for. */
  readonly missing?: string | undefined;
  readonly onDone?: () => void;
  /** What happens. */
  readonly children: ReactNode;
}): ReactNode {
  const [open, setOpen] = useState(false);
  const close = (): void => {
    setOpen(false);
    change.reset();
  };
  return (
    <>
      <Button look="danger" whyNot={whyNot} onPress={() => setOpen(true)}>
        {words}…{of === undefined ? null : <span className="hidden-text"> {of}</span>}
      </Button>
      {open ? (
        <Dialog title={title} onClose={close}>
          {children}
          {change.error ? <Fault error={change.error} /> : null}
          <div className="row">
            <Button
              look="danger"
              whyNot={missing}
              busy={change.isPending}
              onPress={() =>
                change.mutate(undefined, {
                  onSuccess: () => {
                    setOpen(false);
                    onDone?.();
                  },
                })
              }
            >
              {words}
            </Button>
            <Button onPress={close}>Close</Button>
          </div>
        </Dialog>
      ) : null}
    </>
  );
}
