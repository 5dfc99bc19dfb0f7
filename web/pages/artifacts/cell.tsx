import { useState, type ReactNode } from 'react';

/** One cell of a matrix of what may go where. It shows at once what was asked for, and then what is so. */
export function CellBox({
  label,
  isAllowed,
  isOff,
  change,
  children,
}: {
  /** For those who do not see row and column. */
  readonly label: string;
  readonly isAllowed: boolean;
  readonly isOff: boolean;
  /** Ends when the change is known; where it was refused, the matrix says why. */
  readonly change: () => Promise<unknown>;
  readonly children?: ReactNode;
}): ReactNode {
  const [asked, setAsked] = useState<boolean>();
  const settle = (): void => setAsked(undefined);
  return (
    <label className="cell">
      <input
        type="checkbox"
        aria-label={label}
        aria-busy={asked !== undefined}
        checked={asked ?? isAllowed}
        disabled={isOff}
        onChange={() => {
          if (asked !== undefined) return;
          setAsked(!isAllowed);
          change().then(settle, settle);
        }}
      />
      {children}
    </label>
  );
}
