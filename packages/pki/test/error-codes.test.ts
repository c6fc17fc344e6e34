import { expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';

it('every code of errors and of chain problems is provoked in a test, and explained in the README', () => {
  const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
  const codes = [
    ...(read('../src/errors.ts') + read('../src/chain-problem.ts')).matchAll(/'((?:ERR|CHAIN)_[A-Z_]+)'/g),
  ];
  const tests = readdirSync(new URL('.', import.meta.url)).filter((name) => name.endsWith('.test.ts'));
  const tested = tests.map((name) => read(name)).join('\n');
  const readme = read('../README.md') + read('../docs/explain.md');
  expect(codes.length).toBeGreaterThan(35);
  expect(codes.map(([, code = '']) => code).filter((code) => !tested.includes(`'${code}'`))).toEqual([]);
  expect(codes.map(([, code = '']) => code).filter((code) => !readme.includes(code))).toEqual([]);
});
