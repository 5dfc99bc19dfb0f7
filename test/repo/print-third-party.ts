import { printThirdParties } from './third-party.js';

/** `npm run third-party`: the packages of other authors and their licences, for docs/third-party.md. */
process.stdout.write(printThirdParties());
