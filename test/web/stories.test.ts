import { afterAll, beforeAll } from '@jest/globals';
import { amended } from './stories/amended.js';
import { badVersion } from './stories/bad-version.js';
import { interrupted } from './stories/interrupted.js';
import { provider } from './stories/provider.js';
import { reader } from './stories/reader.js';
import { secondPerson } from './stories/second-person.js';
import { Stage } from './stories/stage.js';
import { stuck } from './stories/stuck.js';

/** What operators do, in a browser, on the real service with simulated devices. All stories share one start of it. */
const stage = new Stage();
beforeAll(() => stage.open(), 120_000);
afterAll(() => stage.close(), 60_000);

stuck(stage);
badVersion(stage);
secondPerson(stage);
amended(stage);
reader(stage);
provider(stage);
interrupted(stage);
