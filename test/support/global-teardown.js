import { openSince } from './open-handles.js';

/** The run has ended: jest's own work after this takes no second. */
const EXIT_LIMIT_MS = 10_000;

/**
 * Ends what global-setup.js started, and nothing that it found. What then still keeps the process alive would let it
 * hang: it is named, and the run fails.
 */
export default async function tearDown() {
  await Promise.all((globalThis.slipwayTestClosers ?? []).map((close) => close()));
  const timer = setTimeout(() => {
    void openSince({ handles: new Set(), timers: 0 }, 0).then((open) => {
      process.stderr.write(`The run is over, and this keeps it from ending: ${open.join('; ')}.\n`);
      process.exit(1);
    });
  }, EXIT_LIMIT_MS);
  timer.unref();
}
