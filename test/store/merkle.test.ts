import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  consistencyProof,
  foldWhole,
  inclusionProof,
  leafHash,
  leftRoots,
  nodeHash,
  rootHash,
  type NodeSource,
} from '../../store/audit/merkle.js';

/** Leaves "0", "1" and so on. */
const whole: NodeSource = (level, index) =>
  Promise.resolve(foldWhole(Array.from({ length: 2 ** level }, (_, n) => leafHash(String(index * 2 ** level + n)))));

/** The text of RFC 6962, section 2.1, word by word. */
function mth(leaves: readonly string[]): Buffer {
  if (leaves.length === 0) return createHash('sha256').digest();
  if (leaves.length === 1) return leafHash(leaves[0]!);
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(mth(leaves.slice(0, k)), mth(leaves.slice(k)));
}
const leaves = (size: number) => Array.from({ length: size }, (_, n) => String(n));

/** RFC 9162, section 2.1.3.2: how a verifier goes up from a leaf, which is not how proofs are made. */
function rootFrom(index: number, size: number, leaf: Buffer, proof: readonly Buffer[]): Buffer {
  let [fn, sn, r] = [index, size - 1, leaf];
  for (const p of proof) {
    if (fn % 2 === 1 || fn === sn) {
      r = nodeHash(p, r);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
    } else r = nodeHash(r, p);
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  expect(sn).toBe(0);
  return r;
}

describe('The tree over the history', () => {
  it('has the roots of the test vectors of Certificate Transparency', async () => {
    expect((await rootHash(0, whole)).toString('hex')).toBe(
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    );
    expect(leafHash('').toString('hex')).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d');
  });

  it('has the root that RFC 6962 defines, with every size', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 600 }), async (size) =>
        expect((await rootHash(size, whole)).equals(mth(leaves(size)))).toBe(true),
      ),
    );
  });

  it('proves each entry of each size to a verifier that knows the root only', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 600 }), fc.nat(), async (size, any) => {
        const index = any % size;
        const proof = await inclusionProof(index, size, whole);
        expect(rootFrom(index, size, leafHash(String(index)), proof).equals(mth(leaves(size)))).toBe(true);
        expect(rootFrom(index, size, leafHash('another'), proof).equals(mth(leaves(size)))).toBe(false);
      }),
    );
  });

  it('grows from the roots of its whole subtrees', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 600 }), async (size) => {
        const roots = await leftRoots(size, whole);
        expect(roots.reduceRight((right, left) => nodeHash(left, right)).equals(mth(leaves(size)))).toBe(true);
      }),
    );
  });

  it('needs no proof that it began as itself', async () => {
    expect(await consistencyProof(77, 77, whole)).toEqual([]);
  });
});
