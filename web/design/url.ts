import { useNavigate, useParams, useSearch } from '@tanstack/react-router';

/** What stands behind the `?`: names and texts, as in any form. */
export type Search = Readonly<Record<string, string>>;

/** The query of the address as text by name. */
export function useUrl(): Search {
  return useSearch({ strict: false });
}

/**
 * A filter, sort or tab that stands in the address: a reload, a link and the way back find it again. An empty value
 * leaves the address. @param push whether the way back leads to the value before
 */
export function useUrlValue(name: string, push = false): [value: string, set: (value: string) => void] {
  const value = useUrl()[name] ?? '';
  const navigate = useNavigate();
  const set = (next: string): void => {
    void navigate({
      to: '.',
      search: (before: Search) => withValue(before, name, next),
      replace: !push,
      resetScroll: false,
    });
  };
  return [value, set];
}

/** A query with one value changed. */
export function withValue(search: Search, name: string, value: string): Search {
  const rest = Object.fromEntries(Object.entries(search).filter(([key]) => key !== name));
  return value === '' ? rest : { ...rest, [name]: value };
}

/** A part of the path by its name; '' where the page has none of it. */
export function usePart(name: string): string {
  const parts: Readonly<Record<string, string | undefined>> = useParams({ strict: false });
  return parts[name] ?? '';
}
