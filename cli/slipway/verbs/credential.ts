import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import {
  createCertificate,
  createCredential,
  deleteCertificate,
  listCertificates,
  listCredentials,
  patchCertificate,
  revokeCredential,
  type Certificate,
  type Credential,
} from '../../../client/index.js';
import type { View } from '../print.js';
import { deviceId } from '../resolve.js';
import { group, verb } from '../verb.js';

/** `device password`: what a device needs to connect. */
export function passwordVerb(device: Command): void {
  verb(
    device,
    {
      usage: 'password <device>',
      says: 'make a password with which the device connects; it is shown this once',
      examples: ['slipway device password hall', 'slipway device password hall -o json'],
    },
    async (cli, [name = '']) => {
      const { client } = cli;
      const id = await deviceId(client, name);
      const { data } = await createCredential({ client, path: { id }, body: { type: 'password' } });
      await cli.one(data, WITH_PASSWORD);
      cli.note('It is not shown again.');
    },
  );
}

/** Passwords, tokens and certificates of devices. */
export function credentialVerbs(program: Command): void {
  const credential = group(program, 'credential', 'passwords and tokens of devices');
  verb(
    credential,
    { usage: 'list <device>', says: 'list them, without secrets', examples: ['slipway credential list hall'] },
    async (cli, [name = '']) => {
      const { client } = cli;
      const { data } = await listCredentials({ client, path: { id: await deviceId(client, name) } });
      await cli.rows(data, CREDENTIAL);
    },
  );
  verb(
    credential,
    {
      usage: 'revoke <device> <credential>',
      says: 'revoke one; the device is cut off',
      examples: ['slipway credential revoke hall 0193…'],
    },
    async (cli, [name = '', credentialId = '']) => {
      const { client } = cli;
      await revokeCredential({ client, path: { id: await deviceId(client, name), credentialId } });
      cli.note(`Credential ${credentialId} is revoked.`);
    },
  );

  const certificate = group(program, 'certificate', 'client certificates of devices');
  verb(
    certificate,
    {
      usage: 'add <device> <file>',
      says: 'register a certificate (PEM) with which the device connects',
      examples: ['slipway certificate add hall hall.pem'],
    },
    async (cli, [name = '', file = '']) => {
      const { client } = cli;
      const cert = readFileSync(file, 'utf8');
      const id = await deviceId(client, name);
      await cli.one((await createCertificate({ client, path: { id }, body: { cert } })).data, CERTIFICATE);
    },
  );
  verb(
    certificate,
    { usage: 'list <device>', says: 'list them', examples: ['slipway certificate list hall'] },
    async (cli, [name = '']) => {
      const { client } = cli;
      const { data } = await listCertificates({ client, path: { id: await deviceId(client, name) } });
      await cli.rows(data, CERTIFICATE);
    },
  );
  verb(
    certificate,
    {
      usage: 'revoke <device> <certificate>',
      says: 'revoke one; it stays in the list',
      examples: ['slipway certificate revoke hall 0193…'],
    },
    async (cli, [name = '', certificateId = '']) => {
      const { client } = cli;
      const path = { id: await deviceId(client, name), certificateId };
      await cli.one((await patchCertificate({ client, path, body: { status: 'revoked' } })).data, CERTIFICATE);
    },
  );
  verb(
    certificate,
    {
      usage: 'delete <device> <certificate>',
      says: 'delete one',
      examples: ['slipway certificate delete hall 0193…'],
    },
    async (cli, [name = '', certificateId = '']) => {
      const { client } = cli;
      await deleteCertificate({ client, path: { id: await deviceId(client, name), certificateId } });
      cli.note(`Certificate ${certificateId} is deleted.`);
    },
  );
}

const CREDENTIAL: View<Credential> = {
  columns: { id: (c) => c.id, type: (c) => c.type, username: (c) => c.username, created: (c) => c.createdAt },
  id: (c) => c.id,
};

const WITH_PASSWORD: View<Credential & { password?: string }> = {
  columns: { id: (c) => c.id, username: (c) => c.username, password: (c) => c.password },
  id: (c) => c.id,
};

const CERTIFICATE: View<Certificate> = {
  columns: {
    id: (c) => c.id,
    status: (c) => c.status,
    ends: endOf,
    fingerprint: (c) => c.fingerprint,
    created: (c) => c.createdAt,
  },
  id: (c) => c.id,
};

/** It stands in the certificate itself. */
function endOf({ cert }: Certificate): string {
  return new Date(new X509Certificate(cert).validTo).toISOString();
}
