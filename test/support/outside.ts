/** What may be an operator's own instead of started by the all in one, by the setting that says where it is. */
const SETTINGS: Readonly<Record<string, string>> = { 'the broker': 'MQTT_URL', PostgreSQL: 'DATABASE_URL' };

/**
 * Whether a part is started here, so that a story about it can be told. Where it is outside (`npm run test:outside`),
 * what is not tried is said with its reason: nothing is skipped in silence.
 */
export function isInside(part: string, story: string, reason: string): boolean {
  if (process.env[SETTINGS[part] ?? ''] === undefined) return true;
  process.stderr.write(`Not tried with ${part} outside: ${story}. ${reason}\n`);
  return false;
}
