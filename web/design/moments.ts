/** In which zone it is typed. */
type Zone = 'local' | 'utc';

/** What an input of the browser for a moment holds: a date and a time to the minute, without a zone. */
const MINUTES = 16;

/** @param at RFC 3339; '' = none @returns as an input of the browser takes it */
export function asInput(at: string, zone: Zone): string {
  const moment = new Date(at);
  if (Number.isNaN(moment.getTime())) return '';
  const shift = zone === 'utc' ? 0 : moment.getTimezoneOffset() * 60_000;
  return new Date(moment.getTime() - shift).toISOString().slice(0, MINUTES);
}

/** @param typed as an input of the browser has it @returns RFC 3339 in UTC; '' where it is none, or not whole yet */
export function fromInput(typed: string, zone: Zone): string {
  const moment = new Date(zone === 'utc' ? `${typed}Z` : typed);
  return Number.isNaN(moment.getTime()) ? '' : moment.toISOString();
}
