import { parseExpression } from './expression-parser.ts';
import { invalidQuery, unsupportedQuery } from './query-error.ts';
import type { Aggregate, Collection, Column, Path, Query } from './query-syntax.ts';
import { TokenReader } from './token-reader.ts';

const longestQuery = 8192;

const aggregates = new Map<string, Aggregate['function']>([
  ['count', 'count'],
  ['avg', 'avg'],
  ['sum', 'sum'],
  ['min', 'min'],
  ['max', 'max'],
]);

/**
 * Reads `SELECT [TOP n] * | columns FROM devices | devices.modules [WHERE condition] [GROUP BY paths]`.
 *
 * @throws {HubError} ArgumentInvalid for bad syntax, NotImplemented for what Azure has beyond that
 */
export function parseQuery(text: string): Query {
  if (text.length > longestQuery) throw invalidQuery(`a query may have ${longestQuery} characters`);
  const tokens = new TokenReader(text);
  tokens.expectWord('select');
  const top = tokens.takeWord('top') ? parseTop(tokens) : undefined;
  const columns = tokens.takeSymbol('*') ? undefined : parseColumns(tokens);
  tokens.expectWord('from');
  const collection = parseCollection(tokens);
  const condition = tokens.takeWord('where') ? parseExpression(tokens) : undefined;
  const groupBy = tokens.takeWord('group') ? parseGroupBy(tokens) : [];
  refuseRest(tokens);
  const query: Query = { collection, columns, top, condition, groupBy };
  checkGrouping(query);
  return query;
}

function parseTop(tokens: TokenReader): number {
  const token = tokens.peek();
  const count = token?.kind === 'literal' ? token.value : undefined;
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 1) throw tokens.expected('a number after TOP');
  tokens.skip();
  return count;
}

function parseCollection(tokens: TokenReader): Collection {
  const name = tokens.expectName('a collection');
  const collection = name.toLowerCase();
  if (collection === 'devices' || collection === 'devices.modules') return collection;
  throw unsupportedQuery(`FROM ${name}`);
}

function parseColumns(tokens: TokenReader): Column[] {
  const columns = [parseColumn(tokens)];
  while (tokens.takeSymbol(',')) columns.push(parseColumn(tokens));
  return columns;
}

function parseColumn(tokens: TokenReader): Column {
  const written = tokens.found;
  const source = parseAggregate(tokens) ?? parseExpression(tokens);
  const alias = tokens.takeWord('as') ? tokens.expectName('a name after AS') : undefined;
  if (alias === undefined && source.kind !== 'path') {
    throw unsupportedQuery(`the column ${written} without a name (AS ..): Azure doesn't document what it is called`);
  }
  return { alias, source };
}

/** An aggregate where the next tokens are one. */
function parseAggregate(tokens: TokenReader): Aggregate | undefined {
  const name = aggregates.get(tokens.found.toLowerCase());
  if (name === undefined || tokens.peek()?.kind !== 'word') return undefined;
  tokens.skip();
  tokens.expectSymbol('(');
  const path = name === 'count' ? undefined : tokens.expectName('a path').split('.');
  tokens.expectSymbol(')');
  return { kind: 'aggregate', function: name, path };
}

function parseGroupBy(tokens: TokenReader): Path[] {
  tokens.expectWord('by');
  const paths = [tokens.expectName('a path')];
  while (tokens.takeSymbol(',')) paths.push(tokens.expectName('a path'));
  return paths.map((path) => path.split('.'));
}

function refuseRest(tokens: TokenReader): void {
  for (const word of ['order', 'having', 'join', 'as', 'limit', 'offset']) {
    if (tokens.takeWord(word)) throw unsupportedQuery(word.toUpperCase());
  }
  if (!tokens.isAtEnd) throw invalidQuery(`unexpected '${tokens.found}'`);
}

/** With aggregates or GROUP BY, each other column has to be one that is grouped by. */
function checkGrouping({ columns, groupBy }: Query): void {
  const isGrouped = groupBy.length > 0 || columns?.some(({ source }) => source.kind === 'aggregate') === true;
  if (!isGrouped) return;
  if (!columns) throw invalidQuery('SELECT * with GROUP BY');
  for (const { source } of columns) {
    if (source.kind === 'aggregate') continue;
    const path = source.kind === 'path' ? source.path : undefined;
    if (!path || !groupBy.some((group) => pathText(group) === pathText(path))) {
      throw invalidQuery(`column ${path ? path.join('.') : 'with an expression'} has to be in GROUP BY`);
    }
  }
}

/** Names at the root compare without regard to case. */
function pathText([root = '', ...rest]: Path): string {
  return [root.toLowerCase(), ...rest].join('.');
}
