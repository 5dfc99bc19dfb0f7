/** The pages that the navigation names, in the order of a day's work. */
export const PLACES = [{ to: '/', words: 'Overview' }] as const;
