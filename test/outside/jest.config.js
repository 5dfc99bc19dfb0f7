import base from '../../jest.config.js';

/**
 * End-to-end stories on the parts that test/outside/end-to-end.ts names in the environment: nothing is started and
 * stopped for all of them.
 */
const config = { ...base, rootDir: '../..' };
delete config.globalSetup;
delete config.globalTeardown;
export default config;
