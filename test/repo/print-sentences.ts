import { sentences } from './sentences.js';

/** `npm run sentences`: all sentences that users see, one a line, to be read side by side. */
let file = '';
for (const sentence of sentences()) {
  if (sentence.file !== file) process.stdout.write(`\n${sentence.file}\n`);
  file = sentence.file;
  process.stdout.write(`${String(sentence.line).padStart(5)}  ${sentence.text.replaceAll(/\s*\n\s*/g, ' ')}\n`);
}
