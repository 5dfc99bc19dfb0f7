import { useEffect, type ReactNode } from 'react';

/** A page: its title, which is also the tab's, what one may do with it, and its parts one below the other. */
export function PageOf({
  title,
  above,
  beside,
  actions,
  children,
}: {
  readonly title: string;
  /** Where one is, such as a link to the list. */
  readonly above?: ReactNode;
  /** Signs beside the title. */
  readonly beside?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}): ReactNode {
  useEffect(() => {
    document.title = `${title} · Slipway`;
  }, [title]);
  return (
    <div className="stack page">
      <header className="page-head">
        {above === undefined ? null : <div className="small quiet">{above}</div>}
        <div className="row spread">
          <div className="row">
            <h1>{title}</h1>
            {beside}
          </div>
          {actions === undefined ? null : <div className="row">{actions}</div>}
        </div>
      </header>
      {children}
    </div>
  );
}

/** What belongs together, with its heading. */
export function Sheet({
  title,
  aside,
  flush = false,
  children,
}: {
  readonly title?: string;
  readonly aside?: ReactNode;
  /** Without a space around what is in it: for tables. */
  readonly flush?: boolean;
  readonly children: ReactNode;
}): ReactNode {
  return (
    <section className={`sheet${flush ? ' flush' : ''}`} aria-label={title}>
      {title === undefined ? null : (
        <header>
          <h2>{title}</h2>
          {aside}
        </header>
      )}
      {children}
    </section>
  );
}

/** Names and values. What is undefined is left out. */
export function Facts({ of }: { readonly of: readonly (readonly [name: string, value: ReactNode])[] }): ReactNode {
  return (
    <dl className="facts">
      {of
        .filter(([, value]) => value !== undefined && value !== null)
        .map(([name, value]) => (
          <div key={name} style={{ display: 'contents' }}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
