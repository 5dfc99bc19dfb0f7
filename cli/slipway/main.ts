#!/usr/bin/env node
import { VERSION } from './version.js';

/**
 * `slipway`: for scripts, pipelines and people. The version is answered before anything is loaded: that is what a
 * shell's prompt or a check of the installation asks for.
 */
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // `slipway device list | head`: the reader has enough, and that is no error.
    if (error.code === 'EPIPE') process.exit();
    throw error;
  });

const [first, second] = process.argv.slice(2);
if ((first === '--version' || first === '-V') && second === undefined) process.stdout.write(`${VERSION}\n`);
else void import('./run.js').then(({ run }) => run(process.argv));
