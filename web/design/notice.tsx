import type { ReactNode } from 'react';
import { Refused } from '../service/request.js';
import { Sentence } from './time.js';

/** What stands in the place of something that is not there: why, and what to do. */
export function Notice({
  title,
  children,
  bad = false,
  within = false,
}: {
  readonly title: string;
  readonly children?: ReactNode;
  /** Whether it is a fault, not only nothing. */
  readonly bad?: boolean;
  /** Whether it stands inside of a sheet, which has a line around it already. */
  readonly within?: boolean;
}): ReactNode {
  return (
    <div className={`notice${bad ? ' bad' : ''}${within ? ' within' : ''}`} role={bad ? 'alert' : undefined}>
      <strong>{title}</strong>
      {children}
    </div>
  );
}

/** While an answer is on its way: as high as what comes, so that the page does not jump. */
export function Skeleton({ lines = 4 }: { readonly lines?: number }): ReactNode {
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, index) => (
        <i key={index} />
      ))}
    </div>
  );
}

/** A refusal of the service in words: what was refused, why, and what would be needed. */
export function Fault({ error, again }: { readonly error: Error; readonly again?: () => void }): ReactNode {
  const { title, hint } = explained(error);
  return (
    <Notice title={title} bad>
      <p>
        <Sentence text={error.message} />
      </p>
      {hint === undefined ? null : <p className="quiet">{hint}</p>}
      {again ? (
        <button type="button" className="button" onClick={again}>
          Try again
        </button>
      ) : null}
    </Notice>
  );
}

function explained(error: Error): { title: string; hint?: string } {
  if (!(error instanceof Refused)) return { title: 'The page failed' };
  const { status, code, needs, retryAfter } = error;
  if (status === 0)
    return { title: 'The service does not answer', hint: 'The page goes on by itself when it is back.' };
  if (status === 401) return { title: 'You are signed out', hint: 'Sign in again; the page stays as it is.' };
  if (status === 403 && code === 'AUTH_FORBIDDEN')
    return {
      title: 'You may not see this',
      ...(needs === undefined ? {} : { hint: `Ask an owner for the permission ${needs}.` }),
    };
  if (status === 404 || code === 'FIRMWARE_NO_ACCESS_TO_RESOURCE')
    return { title: 'It does not exist', hint: 'It was deleted, or the address is wrong.' };
  if (status === 412)
    return { title: 'It was changed meanwhile', hint: 'Close this, look at what is new, and do it again.' };
  if (status === 429)
    return {
      title: 'Too many requests',
      hint: `Try again${retryAfter === undefined ? ' soon' : ` in ${retryAfter} s`}.`,
    };
  if (status >= 500) return { title: 'The service has a fault', hint: `Its code is ${code}.` };
  return { title: 'The service refused this', hint: `Its code is ${code}.` };
}

/**
 * An answer in each of its states: on its way, refused, empty, there. What was there stays while it is asked for again;
 * a fault then stands above it.
 */
export function Answered<T>({
  query,
  isEmpty = () => false,
  empty,
  lines = 4,
  children,
}: {
  readonly query: {
    readonly data: T | undefined;
    readonly error: Error | null;
    readonly refetch: () => unknown;
  };
  readonly isEmpty?: (data: T) => boolean;
  readonly empty?: ReactNode;
  /** Of the skeleton. */
  readonly lines?: number;
  readonly children: (data: T) => ReactNode;
}): ReactNode {
  const { data, error, refetch } = query;
  if (data === undefined) {
    if (error) return <Fault error={error} again={() => void refetch()} />;
    return <Skeleton lines={lines} />;
  }
  // While the service is away a line above all says so; what is here was right a moment ago.
  const told = error !== null && !(error instanceof Refused && (error.status === 0 || error.status === 401));
  return (
    <>
      {told ? <Fault error={error} again={() => void refetch()} /> : null}
      {isEmpty(data) ? empty : children(data)}
    </>
  );
}
