import { afterAll, beforeAll } from '@jest/globals';
import { budgets } from './stories/budgets.js';
import { Crowd } from './stories/crowd.js';
import { manyDevices } from './stories/many-devices.js';

/** Ten thousand, because the budget of the heap is for so many rows; `npm run test:long` has 100,000. */
const crowd = new Crowd(Number(process.env['STORY_DEVICES'] ?? 10_000));
beforeAll(() => crowd.open(), 600_000);
afterAll(() => crowd.close(), 60_000);

manyDevices(crowd);
budgets(crowd);
