export { installation } from './installation.js';
export { rollout } from './rollout.js';
