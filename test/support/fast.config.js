import base from '../../jest.config.js';

/** `npm run test:fast`: what needs no database, no engine and no broker, so that nothing is started for it. */
const config = {
  ...base,
  rootDir: '../..',
  roots: ['<rootDir>/test/domain', '<rootDir>/test/protocol', '<rootDir>/test/repo'],
};
delete config.globalSetup;
export default config;
