import base from '../../jest.config.js';

/** `npm run test:deploy`: what is deployed, checked by the programs that read it. Nothing is started for it. */
const config = { ...base, rootDir: '../..', roots: ['<rootDir>/test/deploy'] };
delete config.globalSetup;
delete config.globalTeardown;
export default config;
