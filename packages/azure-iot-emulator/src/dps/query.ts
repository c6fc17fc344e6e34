import { DpsError } from './dps-error.ts';

/** Largest page that is given; clients may ask for less. */
const MAX_PAGE_SIZE = 1000;

/** One page of a query's result. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly pageSize: number;
  /** Absent on the last page. */
  readonly continuation: string | undefined;
}

/** Headers that ask for a page. */
export interface PageRequest {
  /** `x-ms-max-item-count`. */
  readonly maxItemCount: string | undefined;
  /** `x-ms-continuation` of the page before. */
  readonly continuation: string | undefined;
}

/** @throws {DpsError} invalidArgument */
export function takePage<Item>(items: readonly Item[], request: PageRequest): Page<Item> {
  const pageSize = Math.min(readPositive(request.maxItemCount, 'x-ms-max-item-count') ?? MAX_PAGE_SIZE, MAX_PAGE_SIZE);
  const start = request.continuation === undefined ? 0 : decodeContinuation(request.continuation);
  const end = start + pageSize;
  return {
    items: items.slice(start, end),
    pageSize,
    continuation: end < items.length ? encodeContinuation(end) : undefined,
  };
}

/**
 * Only the query that Microsoft's clients send: everything of a collection.
 *
 * @throws {DpsError} invalidArgument, unsupported
 */
export function checkQuery(body: unknown, collection: 'enrollments' | 'enrollmentGroups'): void {
  const query = typeof body === 'object' && body !== null && 'query' in body ? body.query : undefined;
  if (typeof query !== 'string')
    throw new DpsError('invalidArgument', 'Invalid query: expected { "query": "SELECT * FROM .." }.');
  const words = query.trim().split(/\s+/).join(' ').toLowerCase();
  if (words !== 'select *' && words !== `select * from ${collection.toLowerCase()}`) {
    throw new DpsError(
      'unsupported',
      `The emulator does not support the query '${query}', only SELECT * FROM ${collection}.`,
    );
  }
}

function readPositive(text: string | undefined, header: string): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new DpsError('invalidArgument', `Invalid ${header} '${text}': expected a positive number.`);
  return Number(text);
}

function encodeContinuation(offset: number): string {
  return Buffer.from(JSON.stringify({ offset })).toString('base64url');
}

function decodeContinuation(token: string): number {
  const offset = /^\{"offset":(\d+)\}$/.exec(Buffer.from(token, 'base64url').toString('utf8'))?.[1];
  if (offset === undefined) throw new DpsError('invalidArgument', 'Invalid x-ms-continuation.');
  return Number(offset);
}
