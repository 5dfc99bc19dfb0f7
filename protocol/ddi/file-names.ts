const FILE_EXTENSION = /\.[A-Za-z0-9]{1,8}$/;

/**
 * The name of a firmware's file. SWUpdate installs only what ends in `.swu`, and no other client looks at it.
 * @param given by the label `fileName`
 */
export function fileNameOf(name: string, version: string | null, given: string | undefined): string {
  if (given !== undefined && given !== '') return clean(given);
  return clean(
    FILE_EXTENSION.test(name) && !/^\d+$/.test(name.split('.').at(-1) ?? '')
      ? name
      : `${[name, version].filter(Boolean).join('-')}.swu`,
  );
}

function clean(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9._+-]/g, '_').slice(0, 200);
}
