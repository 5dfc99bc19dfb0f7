export * from './generated/index.js';
export type { Client } from './generated/client/index.js';
export { connect, SlipwayError, type Connection } from './connect.js';
export { follow, type Following, type Frame } from './follow.js';
