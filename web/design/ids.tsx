import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { CopyButton } from './copy.js';

/** Things that have a page, and the path of that page. */
const PATHS = {
  device: '/devices/',
  installation: '/installations/',
  rollout: '/rollouts/',
  firmware: '/artifacts/',
  job: '/jobs/',
  type: '/types/',
  webhook: '/webhooks/',
  tenant: '/tenants/',
} as const;

/** A kind of thing that has a page of its own. */
export type Kind = keyof typeof PATHS;

/** A link to the page of a thing. Without children it shows the first digits of the id, which are enough to compare. */
export function ToThing({
  kind,
  id,
  device,
  children,
}: {
  readonly kind: Kind;
  readonly id: string;
  /** Of an installation: its device, by which the API finds it. */
  readonly device?: string;
  readonly children?: ReactNode;
}): ReactNode {
  return (
    <Link
      to={`${PATHS[kind]}${id}`}
      search={device === undefined ? {} : { device }}
      className={children === undefined ? 'mono' : undefined}
      title={children === undefined ? id : undefined}
    >
      {children ?? id.slice(0, 8)}
    </Link>
  );
}

/** An id as a link, with the button that copies it. */
export function IdLink({
  kind,
  id,
  device,
}: {
  readonly kind: Kind;
  readonly id: string;
  readonly device?: string;
}): ReactNode {
  return (
    <span className="nowrap">
      <ToThing kind={kind} id={id} {...(device === undefined ? {} : { device })} />{' '}
      <CopyButton text={id} what={`id of the ${kind}`} />
    </span>
  );
}

/** The id of the thing that the page is about, in full, with its button. */
export function OwnId({ id, what }: { readonly id: string; readonly what: string }): ReactNode {
  return (
    <span className="row tight">
      <code className="quiet">{id}</code>
      <CopyButton text={id} what={`id of the ${what}`} />
    </span>
  );
}
