// A reference agent in a process of its own that stands still at a named point, says so on standard output, and waits
// to be killed there. Arguments: broker's URL, state folder, point (`piece` = in the middle of the download).
import { join } from 'node:path';
import { Agent } from '../../dist/agent/core/agent.js';
import { FileInstaller } from '../../dist/agent/core/file-installer.js';
import { SlotFiles } from '../../dist/agent/core/slot-files.js';

const [url, stateDir, where] = process.argv.slice(2);
const standStill = () => {
  process.stdout.write(`${where}\n`);
  return new Promise(() => setInterval(() => undefined, 60_000));
};
const hooks = {
  async received({ bytes, offset, desired }) {
    return where === 'piece' && offset > desired.firmware.size / 2 ? standStill() : bytes;
  },
  async at(point) {
    if (point === where) await standStill();
  },
};
const files = new SlotFiles(join(stateDir, 'slots'), true, (point) => hooks.at(point));
let agent;
async function boot() {
  const restart = async () => void agent.shutOff().then(boot);
  agent = new Agent({
    url,
    stateDir,
    hooks,
    username: 't1/d-1',
    password: 'secret',
    slots: ['firmware'],
    installer: new FileInstaller(join(stateDir, 'slots'), files, restart),
    timings: { reconnect: { firstMs: 20, maxMs: 200 }, repeat: { firstMs: 150, maxMs: 600 }, answer: 300, drain: 300 },
  });
  await agent.start();
}
await boot();
