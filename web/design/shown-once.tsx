import type { ReactNode } from 'react';
import { Button } from './button.js';
import { CopyButton } from './copy.js';
import { Dialog } from './dialog.js';

/** A secret that no later answer has. Only its button closes it: Escape would lose it by accident. */
export function ShownOnce({
  title,
  what,
  secret,
  onClose,
  children,
}: {
  readonly title: string;
  /** What the secret is, such as "key". */
  readonly what: string;
  readonly secret: string;
  readonly onClose: () => void;
  /** What it is for. */
  readonly children: ReactNode;
}): ReactNode {
  return (
    <Dialog title={title}>
      {children}
      <p className="secret">
        <code>{secret}</code> <CopyButton text={secret} what={what} />
      </p>
      <p>
        <strong>The {what} is shown this once.</strong> Copy it now: no other page and no answer has it.
      </p>
      <div className="row">
        <Button look="first" onPress={onClose}>
          I have copied it
        </Button>
      </div>
    </Dialog>
  );
}
