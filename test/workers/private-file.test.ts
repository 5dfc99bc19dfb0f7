import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { keepSecret, makePrivateFolder } from '../../workers/embedded/private-file.js';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'slipway-secret-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('A data folder', () => {
  it.each([
    [0o755, 0o711],
    [0o777, 0o711],
    [0o750, 0o710],
    [0o700, 0o700],
    [0o711, 0o711],
  ])('that was there with mode %o is closed to others: %o', (before, after) => {
    const path = join(folder, 'data');
    mkdirSync(path);
    chmodSync(path, before);
    makePrivateFolder(path);
    expect(statSync(path).mode & 0o777).toBe(after);
  });

  it('is made for its owner alone', () => {
    const path = join(folder, 'new', 'data');
    makePrivateFolder(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
  });
});

describe('A secret', () => {
  it('is made once, kept, and readable by its owner only', () => {
    const path = join(folder, 'password');
    const made = keepSecret(path);
    expect(made).toMatch(/^[\w-]{43}$/);
    expect(keepSecret(path, () => true)).toBe(made);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it.each(['', '\n', '  \n'])('that a power loss left empty is made anew: %j', (left) => {
    const path = join(folder, 'password');
    writeFileSync(path, left);
    const made = keepSecret(path);
    expect(made).toMatch(/^[\w-]{43}$/);
    expect([keepSecret(path), readFileSync(path, 'utf8').trim()]).toEqual([made, made]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('that is empty while something needs the old one is refused in words, and left as it is', () => {
    const path = join(folder, 'password');
    writeFileSync(path, '');
    expect(() => keepSecret(path, () => true)).toThrow(`${path} is empty`);
    expect(readFileSync(path, 'utf8')).toBe('');
  });
});
