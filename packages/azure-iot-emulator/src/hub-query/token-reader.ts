import { invalidQuery } from './query-error.ts';
import { type QueryToken, tokenizeQuery } from './query-token.ts';

/** Goes through a query's tokens; keywords compare without regard to case. */
export class TokenReader {
  readonly #tokens: readonly QueryToken[];
  #next = 0;

  /** @throws {HubError} ArgumentInvalid */
  constructor(text: string) {
    this.#tokens = tokenizeQuery(text);
  }

  get isAtEnd(): boolean {
    return this.#next >= this.#tokens.length;
  }

  /** For messages: the next token as it was written. */
  get found(): string {
    return this.#tokens[this.#next]?.text ?? 'the end';
  }

  peek(): QueryToken | undefined {
    return this.#tokens[this.#next];
  }

  skip(): void {
    this.#next += 1;
  }

  /** True, and one further, where the next token is that keyword. */
  takeWord(word: string): boolean {
    const token = this.peek();
    const isIt = token?.kind === 'word' && token.text.toLowerCase() === word;
    if (isIt) this.skip();
    return isIt;
  }

  /** True, and one further, where the next token is that symbol. */
  takeSymbol(symbol: string): boolean {
    const token = this.peek();
    const isIt = token?.kind === 'symbol' && token.text === symbol;
    if (isIt) this.skip();
    return isIt;
  }

  /** The one of these symbols that comes next, if any. */
  takeOneOf(symbols: readonly string[]): string | undefined {
    return symbols.find((symbol) => this.takeSymbol(symbol));
  }

  /** @throws {HubError} ArgumentInvalid */
  expectWord(word: string): void {
    if (!this.takeWord(word)) throw this.expected(word.toUpperCase());
  }

  /** @throws {HubError} ArgumentInvalid */
  expectSymbol(symbol: string): void {
    if (!this.takeSymbol(symbol)) throw this.expected(`'${symbol}'`);
  }

  /** A name or path. @throws {HubError} ArgumentInvalid */
  expectName(what: string): string {
    const token = this.peek();
    if (token?.kind !== 'word') throw this.expected(what);
    this.skip();
    return token.text;
  }

  expected(what: string): Error {
    return invalidQuery(`${what} expected, '${this.found}' found`);
  }
}
