/** What the name of a file says of what is in it. */
export interface Named {
  readonly name: string;
  readonly version: string;
}

/** Letters that an ending may have; `.bin`, `.tar.gz`, `.raucb`, but not the `.0` of a version. */
const ENDING = /(?:\.[a-z][a-z0-9]{0,7}){1,2}$/i;
const VERSION = /(?:^|[-_ ])v?(\d+(?:\.\d+)+(?:[-+][0-9a-z.+-]+)?)$/i;

/** `light-switch-1.5.0.tar.gz` is "light-switch" 1.5.0. Both can be corrected in the form; a version may be ''. */
export function namedBy(file: string): Named {
  const stem = file.replace(ENDING, '') || file;
  const found = VERSION.exec(stem);
  if (!found) return { name: stem, version: '' };
  return { name: stem.slice(0, found.index) || stem, version: found[1] ?? '' };
}
