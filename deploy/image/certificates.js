// For docker-compose.yml: an authority and a certificate of the names in the arguments, in /certs, unless a slipway.pem of
// yours is there. Runs as root, once: haproxy reads slipway.pem (certificate, then key), the APIs trust authority.pem.
import { chownSync, copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { developmentCertificates } from './dist/workers/embedded/development-tls.js';

/** The user of the image of haproxy. */
const HAPROXY = 99;
const MADE = '/certs/development';
const PAIR = '/certs/slipway.pem';

if (existsSync(PAIR) && !existsSync(MADE)) {
  console.log(`${PAIR} is kept.`);
} else {
  const { files, authorityPath } = await developmentCertificates(MADE, process.argv.slice(2));
  writeFileSync(PAIR, readFileSync(files.certPath, 'utf8') + readFileSync(files.keyPath, 'utf8'), { mode: 0o600 });
  chownSync(PAIR, HAPROXY, HAPROXY);
  copyFileSync(authorityPath, '/certs/authority.pem');
  console.log(`${PAIR} is of a development authority, /certs/authority.pem.`);
}
