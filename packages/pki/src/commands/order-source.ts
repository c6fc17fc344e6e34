import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { RequestItem } from '../mass/mass-order.ts';
import { UsageError } from './usage-error.ts';

/** What `contoso-pki many` reads, and how many items it has, where that can be known beforehand. */
export interface OrderSource<Item> {
  items: AsyncIterable<Item>;
  total: number | undefined;
}

/** Registration IDs, one a line; empty lines and lines that begin with `#` are passed over. `-` is standard input. */
export async function readIds(path: string): Promise<OrderSource<string>> {
  if (path === '-') return { items: idsOf(linesOf(path)), total: undefined };
  await checkExists(path);
  return { items: idsOf(linesOf(path)), total: await count(idsOf(linesOf(path))) };
}

/** Requests: a folder with a file for each, PEM or DER, or one file with PEM requests one behind the other. */
export async function readRequests(path: string): Promise<OrderSource<RequestItem>> {
  const isFolder = path !== '-' && (await checkExists(path));
  if (!isFolder) {
    const total = path === '-' ? undefined : await count(requestsOf(linesOf(path)));
    return { items: requestsOf(linesOf(path)), total };
  }
  const files = (await readdir(path)).filter((name) => /\.(csr|req|pem|der|p10)$/i.test(name)).sort();
  return { items: requestFiles(path, files), total: files.length };
}

async function checkExists(path: string): Promise<boolean> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new UsageError(`${path} can't be read: check its name.`, { cause });
  });
  return found.isDirectory();
}

/** Opened when the first line is asked for: lines that come before that would be lost. */
async function* linesOf(path: string): AsyncGenerator<string> {
  yield* createInterface({ input: path === '-' ? process.stdin : createReadStream(path), crlfDelay: Infinity });
}

async function* idsOf(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) {
    const id = line.trim();
    if (id !== '' && !id.startsWith('#')) yield id;
  }
}

async function* requestsOf(lines: AsyncIterable<string>): AsyncGenerator<RequestItem> {
  let pem: string[] = [];
  for await (const line of lines) {
    if (line.startsWith('-----BEGIN ')) pem = [];
    pem.push(line);
    if (!line.startsWith('-----END ')) continue;
    yield { csr: `${pem.join('\n')}\n` };
    pem = [];
  }
}

async function* requestFiles(folder: string, names: readonly string[]): AsyncGenerator<RequestItem> {
  for (const name of names) {
    const content = await readFile(join(folder, name));
    yield { csr: content.includes('-----BEGIN ') ? content.toString('utf8') : content };
  }
}

async function count(items: AsyncIterable<unknown>): Promise<number> {
  let found = 0;
  for await (const _item of items) found += 1;
  return found;
}
