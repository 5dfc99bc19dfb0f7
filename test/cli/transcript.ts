/** One command of a transcript, with what stands below it. */
export interface Step {
  /** Lines before it: comments. */
  readonly before: readonly string[];
  readonly command: string;
  /** What it prints, and `[exit N]` where that is not 0. */
  readonly output: string;
}

/** `$ ` begins a command, a backslash at the end of a line continues it, `#` begins a comment. */
export function parseTranscript(text: string): Step[] {
  const steps: Step[] = [];
  let before: string[] = [];
  const lines = text.trimEnd().split('\n');
  for (let at = 0; at < lines.length;) {
    const line = lines[at]!;
    if (!line.startsWith('$ ')) {
      if (line !== '' && !line.startsWith('# ')) throw new Error(`"${line}" belongs to no command`);
      before.push(line);
      at += 1;
      continue;
    }
    const command = [line.slice(2)];
    while (command.at(-1)!.endsWith('\\')) command.push(lines[(at += 1)]!);
    at += 1;
    const output: string[] = [];
    while (at < lines.length && !/^(\$ |# )/.test(lines[at]!)) output.push(lines[(at += 1) - 1]!);
    // Empty lines before a comment or a command belong to what follows.
    const following: string[] = [];
    while (output.at(-1) === '') following.push(output.pop()!);
    steps.push({ before, command: command.join('\n'), output: output.join('\n') });
    before = following;
  }
  return steps;
}

/** The text of steps, with what they print now. */
export function printTranscript(steps: readonly Step[]): string {
  return `${steps
    .map(({ before, command, output }) => [...before, `$ ${command}`, ...(output === '' ? [] : [output])].join('\n'))
    .join('\n')}\n`;
}

/**
 * Masks what differs from run to run: ids, times, durations, and what is made by chance (keys, passwords, signatures,
 * the address). Masks are as long as what they mask, where a table has to stay one.
 */
export function masked(text: string, address: string, folder: string): string {
  return text
    .replaceAll(address, 'http://127.0.0.1:8080')
    .replaceAll(folder, '/home/me')
    .replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '01234567-89ab-7cde-8f01-23456789abcd')
    .replaceAll(/\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '2030-01-01T00:00:00.000Z')
    .replaceAll(/\b20\d\d-\d\d-\d\dT\d\d:\d\d(:\d\d)?Z/g, '2030-01-01T00:00:00Z')
    .replaceAll(/slp_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}/g, 'slp_<key>')
    .replaceAll(/slpe_\w+/g, 'slpe_<token>')
    .replaceAll(/whsec_[0-9A-Za-z+/=]+/g, 'whsec_<secret>')
    .replaceAll(/^(password {2,})\S+$/gm, '$1<password>')
    .replaceAll(/\bPT?[\d.]+[DHMS]([\d.]+[HMS])*\b/g, 'PT1S');
}
