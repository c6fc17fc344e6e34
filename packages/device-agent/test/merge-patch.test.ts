import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { applyMergePatch, createMergePatch, joinMergePatches, type JsonObject } from '../src/twin/merge-patch.ts';

const name = fc.constantFrom('a', 'b', 'c', 'constructor');
const leaf = fc.oneof(fc.integer(), fc.boolean(), fc.string(), fc.array(fc.integer(), { maxLength: 3 }));
const { document } = fc.letrec<{ document: JsonObject; value: unknown }>((tie) => ({
  document: fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  value: fc.oneof({ depthSize: 'small' }, leaf, tie('document')),
}));
describe('merge patches (RFC 7396)', () => {
  it.each([
    [{ a: 1 }, { a: 2 }, { a: 2 }],
    [{ a: 1 }, { b: 2 }, { a: 1, b: 2 }],
    [{ a: 1, b: 2 }, { a: null }, { b: 2 }],
    [{ a: { b: 1, c: 2 } }, { a: { b: null } }, { a: { c: 2 } }],
    [{ a: 1 }, { a: { b: 2 } }, { a: { b: 2 } }],
    [{ a: [1] }, { a: [2] }, { a: [2] }],
  ])('ok: %j patched with %j is %j', (target, change, expected) => {
    expect(applyMergePatch(target, change)).toEqual(expected);
  });

  it('creates the patch that leads from one document to any other', () => {
    fc.assert(
      fc.property(document, document, (from, to) => {
        const created = createMergePatch(from, to);
        expect(applyMergePatch(from, created ?? {})).toEqual(to);
        expect(created === undefined).toBe(JSON.stringify(sorted(from)) === JSON.stringify(sorted(to)));
      }),
    );
  });

  it('joins two patches that lead to one document into one that does, from wherever either did', () => {
    fc.assert(
      fc.property(document, document, document, (one, other, to) => {
        const joined = joinMergePatches(createMergePatch(one, to) ?? {}, createMergePatch(other, to) ?? {});
        expect(applyMergePatch(one, joined)).toEqual(to);
        expect(applyMergePatch(other, joined)).toEqual(to);
      }),
    );
  });

  it('takes names that objects have by nature for what they are', () => {
    const odd = JSON.parse('{"__proto__":{"a":1},"toString":1}') as JsonObject;
    expect(JSON.stringify(applyMergePatch({}, odd))).toBe(JSON.stringify(odd));
    expect(JSON.stringify(createMergePatch({}, odd))).toBe(JSON.stringify(odd));
    expect(JSON.stringify(createMergePatch(odd, {}))).toBe('{"__proto__":null,"toString":null}');
  });
});

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
