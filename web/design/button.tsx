import { useId, useState, type ReactNode } from 'react';

/** How much a button asks for attention. One on a page is `first`. */
export type Look = 'first' | 'usual' | 'danger' | 'plain';

/**
 * A button for an action. One that is not possible now stays reachable by the keyboard and says why: in its title, and
 * below it once it is pressed.
 */
export function Button({
  look = 'usual',
  whyNot,
  busy = false,
  type = 'button',
  onPress,
  children,
}: {
  readonly look?: Look;
  /** Why it is not possible; absent = it is. */
  readonly whyNot?: string | undefined;
  readonly busy?: boolean;
  readonly type?: 'button' | 'submit';
  readonly onPress?: () => void;
  readonly children: ReactNode;
}): ReactNode {
  const [asked, setAsked] = useState(false);
  const id = useId();
  const off = whyNot !== undefined || busy;
  return (
    <>
      <button
        type={type}
        className={`button ${look}`}
        aria-disabled={off || undefined}
        aria-busy={busy || undefined}
        aria-describedby={whyNot === undefined ? undefined : id}
        title={whyNot}
        onClick={(event) => {
          if (!off) return onPress?.();
          event.preventDefault();
          setAsked(whyNot !== undefined);
        }}
      >
        {children}
      </button>
      {whyNot === undefined ? null : (
        <span id={id} className={asked ? 'hint' : 'hidden-text'} role={asked ? 'status' : undefined}>
          {whyNot}
        </span>
      )}
    </>
  );
}
