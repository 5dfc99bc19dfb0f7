import { TestEnvironment } from 'jest-environment-node';
import { openSince, present } from './open-handles.js';

/** Pools, brokers and children end within 2 s on a busy machine; what is still open then was forgotten. */
const GRACE_MS = 5_000;
const FAILURES = ['test_fn_failure', 'hook_failure', 'error'];

/**
 * Node, and a suite that leaves a socket, a server, a child process, a thread or a timer open fails with their names:
 * a leak would let another suite, or the whole run, hang. After a failed set-up, which often leaves something open, the
 * names are printed and the failure itself stays the one that is reported.
 */
export default class Environment extends TestEnvironment {
  failed = false;
  before;

  constructor(config, context) {
    super(config, context);
    this.file = context.testPath;
  }

  async setup() {
    await super.setup();
    this.before = await present();
  }

  handleTestEvent(event) {
    if (FAILURES.includes(event.name)) this.failed = true;
  }

  async teardown() {
    const { before } = this;
    this.before = undefined;
    await super.teardown();
    if (before === undefined) return;
    const open = await openSince(before, GRACE_MS);
    if (open.length === 0) return;
    const said = `this suite left open: ${open.join('; ')}. Close it in afterAll; npm test -- --detectOpenHandles ${this.file} says where it was opened.`;
    if (!this.failed) throw new Error(said);
    process.stderr.write(`${this.file}: ${said}\n`);
  }
}
