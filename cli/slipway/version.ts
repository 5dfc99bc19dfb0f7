/** Put in by the bundle (pack.js); in the repository there is no release. */
declare const SLIPWAY_VERSION: string | undefined;

/** Of this command line. */
export const VERSION = typeof SLIPWAY_VERSION === 'string' ? SLIPWAY_VERSION : '0.1.0';
