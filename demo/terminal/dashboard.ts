import { widthsOf } from './terminal.js';

/** A page of the dashboard that is worth a look: what is seen there, and its path. */
export type Sight = readonly [what: string, path: string];

/** The dashboard's address, and how one signs in. @param keyFile the file that holds the first key */
export function dashboardLines(http: string, keyFile: string): string[] {
  return [`The dashboard: ${http}/`, `Sign in with the key in ${keyFile}`];
}

/** What to look at, each with its address. */
export function sightLines(http: string, sights: readonly Sight[]): string[] {
  const rows = sights.map(([what, path]) => [`  ${what}`, `${http}${path}`] as const);
  const [first = 0] = widthsOf(rows);
  return ['What to look at:', ...rows.map(([what, url]) => `${what.padEnd(first)}  ${url}`)];
}
