import { HubError } from './hub-error.ts';
import { isJsonObject, type JsonObject, type JsonValue } from './json.ts';
import { type QueryToken, tokenizeQuery } from './query-token.ts';

/** True, false, or undefined where the condition can't be told; only true keeps a row. */
type Condition = (row: JsonObject) => boolean | undefined;

type Operand = (row: JsonObject) => JsonValue | undefined;

const longestQuery = 8192;

/**
 * Reads `SELECT * FROM devices [WHERE condition]`: comparisons, AND, OR, NOT, IN, NIN, IS_DEFINED and parentheses.
 *
 * @returns whether a twin, as JSON, is in the answer
 * @throws {HubError} ArgumentInvalid for bad syntax, NotImplemented for what Azure has beyond that
 */
export function parseDeviceQuery(text: string): (row: JsonObject) => boolean {
  if (text.length > longestQuery) throw invalid(`a query may have ${longestQuery} characters`);
  const condition = new QueryParser(tokenizeQuery(text)).parse();
  return (row) => condition(row) === true;
}

class QueryParser {
  readonly #tokens: readonly QueryToken[];
  #next = 0;

  constructor(tokens: readonly QueryToken[]) {
    this.#tokens = tokens;
  }

  parse(): Condition {
    this.#expectWord('select');
    if (!this.#takeSymbol('*')) throw unsupported(`a SELECT list other than * ('${this.#found()}')`);
    this.#expectWord('from');
    const collection = this.#take('word', 'a collection');
    if (collection.toLowerCase() !== 'devices') throw unsupported(`FROM ${collection}`);
    const condition = this.#takeWord('where') ? this.#or() : () => true;
    if (this.#takeWord('group')) throw unsupported('GROUP BY');
    if (this.#next < this.#tokens.length) throw invalid(`unexpected '${this.#found()}'`);
    return condition;
  }

  #or(): Condition {
    let left = this.#and();
    while (this.#takeWord('or')) {
      const [a, b] = [left, this.#and()];
      left = (row) => or(a(row), b(row));
    }
    return left;
  }

  #and(): Condition {
    let left = this.#not();
    while (this.#takeWord('and')) {
      const [a, b] = [left, this.#not()];
      left = (row) => negate(or(negate(a(row)), negate(b(row))));
    }
    return left;
  }

  #not(): Condition {
    if (this.#takeWord('not')) {
      const inner = this.#not();
      return (row) => negate(inner(row));
    }
    if (this.#takeSymbol('(')) {
      const inner = this.#or();
      this.#expectSymbol(')');
      return inner;
    }
    return this.#comparison();
  }

  #comparison(): Condition {
    if (this.#takeWord('is_defined')) return this.#isDefined();
    const left = this.#operand();
    if (this.#takeWord('in')) return this.#isIn(left);
    if (this.#takeWord('nin')) {
      const isIn = this.#isIn(left);
      return (row) => negate(isIn(row));
    }
    const token = this.#tokens[this.#next];
    const compare = token?.kind === 'symbol' ? comparisons.get(token.text) : undefined;
    // A path alone stands for itself, as in "WHERE capabilities.iotEdge".
    if (!compare) return (row) => asBoolean(left(row));
    this.#next += 1;
    const right = this.#operand();
    return (row) => compare(left(row), right(row));
  }

  #isDefined(): Condition {
    this.#expectSymbol('(');
    const operand = this.#operand();
    this.#expectSymbol(')');
    return (row) => operand(row) !== undefined;
  }

  #isIn(left: Operand): Condition {
    this.#expectSymbol('[');
    const items = [this.#operand()];
    while (this.#takeSymbol(',')) items.push(this.#operand());
    this.#expectSymbol(']');
    return (row) => {
      const value = left(row);
      return value === undefined ? undefined : items.some((item) => item(row) === value);
    };
  }

  #operand(): Operand {
    const token = this.#tokens[this.#next];
    if (!token || token.kind === 'symbol') throw invalid(`a path or a value expected, '${this.#found()}' found`);
    this.#next += 1;
    if (token.kind === 'literal') return () => token.value;
    if (this.#takeSymbol('(')) throw unsupported(`the function ${token.text}`);
    const path = token.text.split('.');
    return (row) => valueAt(row, path);
  }

  #take(kind: 'word', what: string): string {
    const token = this.#tokens[this.#next];
    if (token?.kind !== kind) throw invalid(`${what} expected, '${this.#found()}' found`);
    this.#next += 1;
    return token.text;
  }

  #expectWord(word: string): void {
    if (!this.#takeWord(word)) throw invalid(`${word.toUpperCase()} expected, '${this.#found()}' found`);
  }

  #takeWord(word: string): boolean {
    const token = this.#tokens[this.#next];
    const isIt = token?.kind === 'word' && token.text.toLowerCase() === word;
    if (isIt) this.#next += 1;
    return isIt;
  }

  #expectSymbol(symbol: string): void {
    if (!this.#takeSymbol(symbol)) throw invalid(`'${symbol}' expected, '${this.#found()}' found`);
  }

  #takeSymbol(symbol: string): boolean {
    const token = this.#tokens[this.#next];
    const isIt = token?.kind === 'symbol' && token.text === symbol;
    if (isIt) this.#next += 1;
    return isIt;
  }

  #found(): string {
    return this.#tokens[this.#next]?.text ?? 'the end';
  }
}

type Comparison = (left: JsonValue | undefined, right: JsonValue | undefined) => boolean | undefined;

const comparisons = new Map<string, Comparison>([
  ['=', (left, right) => equals(left, right)],
  ['!=', (left, right) => negate(equals(left, right))],
  ['<>', (left, right) => negate(equals(left, right))],
  ['<', ordered((order) => order < 0)],
  ['>', ordered((order) => order > 0)],
  ['<=', ordered((order) => order <= 0)],
  ['>=', ordered((order) => order >= 0)],
]);

function equals(left: JsonValue | undefined, right: JsonValue | undefined): boolean | undefined {
  return isPrimitive(left) && isPrimitive(right) ? left === right : undefined;
}

function ordered(holds: (order: number) => boolean): Comparison {
  return (left, right) => {
    if (typeof left === 'number' && typeof right === 'number') return holds(left - right);
    if (typeof left !== 'string' || typeof right !== 'string') return undefined;
    return holds(left < right ? -1 : left > right ? 1 : 0);
  };
}

function isPrimitive(value: JsonValue | undefined): boolean {
  return value !== undefined && !isJsonObject(value) && !Array.isArray(value);
}

function or(left: boolean | undefined, right: boolean | undefined): boolean | undefined {
  if (left === true || right === true) return true;
  return left === undefined || right === undefined ? undefined : false;
}

function negate(value: boolean | undefined): boolean | undefined {
  return value === undefined ? undefined : !value;
}

function asBoolean(value: JsonValue | undefined): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

/** Names at the root are found without regard to case. */
function valueAt(row: JsonObject, path: readonly string[]): JsonValue | undefined {
  const [root = '', ...rest] = path;
  const rootName = Object.keys(row).find((name) => name.toLowerCase() === root.toLowerCase()) ?? root;
  return [rootName, ...rest].reduce<JsonValue | undefined>(
    (value, name) => (isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined),
    row,
  );
}

function invalid(text: string): HubError {
  return new HubError('ArgumentInvalid', { text: `query: ${text}` });
}

function unsupported(what: string): HubError {
  return new HubError('NotImplemented', {
    text: `the emulator's queries are SELECT * FROM devices [WHERE ..] and don't support ${what}`,
  });
}
