import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import * as real from 'node:fs/promises';
import { join } from 'node:path';

// The disk fails where no test can make it fail; everything that doesn't fail is the real file system.
const failAt = { operation: '', call: 0, count: 0 };

function failing<A extends unknown[], R>(operation: string, run: (...args: A) => Promise<R>) {
  return async (...args: A): Promise<R> => {
    if (operation === failAt.operation && ++failAt.count === failAt.call) {
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    }
    return run(...args);
  };
}

jest.unstable_mockModule('node:fs/promises', () => ({
  ...real,
  link: failing('link', real.link),
  open: failing('open', real.open),
  rename: failing('rename', real.rename),
}));
// Only now, so that they get the file system above.
const { writeFileSet } = await import('../src/file-set.ts');
const { inTemporaryFolder } = await import('./fixtures.ts');

async function contents(folder: string): Promise<string[][]> {
  const names = (await real.readdir(folder)).sort();
  return Promise.all(names.map(async (name) => [name, await real.readFile(join(folder, name), 'utf8')]));
}

describe('a set of files on a disk that fails', () => {
  beforeEach(() => void Object.assign(failAt, { operation: '', call: 0, count: 0 }));
  afterEach(() => expect(failAt.count).toBeGreaterThanOrEqual(failAt.call));

  const files = (folder: string, text: string) =>
    (['a', 'b', 'c'] as const).map((name) => ({
      path: join(folder, name),
      data: text + name,
      access: 'secret' as const,
    }));

  it.each([
    ['open', 1],
    ['open', 3],
    ['link', 1],
    ['link', 2],
    ['link', 3],
    ['open', 4], // the folder, to be synced
  ])('new files: %s number %d fails', (operation, call) =>
    inTemporaryFolder(async (folder) => {
      Object.assign(failAt, { operation, call });
      await expect(writeFileSet(files(folder, 'new '), false)).rejects.toMatchObject({ code: 'ERR_PKI_FILE_WRITE' });
      await expect(contents(folder)).resolves.toEqual([]);
    }),
  );

  it.each([
    ['open', 2],
    ['link', 1],
    ['link', 2],
    ['rename', 1],
    ['rename', 2],
    ['rename', 3],
    ['open', 4], // the folder, to be synced
  ])('replaced files: %s number %d fails', (operation, call) =>
    inTemporaryFolder(async (folder) => {
      await real.writeFile(join(folder, 'a'), 'old a');
      await real.writeFile(join(folder, 'b'), 'old b'); // c is new
      Object.assign(failAt, { operation, call });
      await expect(writeFileSet(files(folder, 'new '), true)).rejects.toMatchObject({ code: 'ERR_PKI_FILE_WRITE' });
      await expect(contents(folder)).resolves.toEqual([
        ['a', 'old a'],
        ['b', 'old b'],
      ]);
    }),
  );

  it('nothing fails', () =>
    inTemporaryFolder(async (folder) => {
      await writeFileSet(files(folder, 'new '), false);
      await expect(contents(folder)).resolves.toEqual([
        ['a', 'new a'],
        ['b', 'new b'],
        ['c', 'new c'],
      ]);
    }));
});
