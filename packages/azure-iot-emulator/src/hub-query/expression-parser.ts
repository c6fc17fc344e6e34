import { unsupportedQuery } from './query-error.ts';
import type { BinaryOperator, Expression } from './query-syntax.ts';
import type { TokenReader } from './token-reader.ts';

/** Binary operators from the loosest to the tightest; NOT, comparisons and IN stand between AND and these. */
const sums = ['+', '-'];
const products = ['*', '/', '%'];
const comparisons = new Map<string, BinaryOperator>([
  ['=', '='],
  ['!=', '!='],
  ['<>', '!='],
  ['<=', '<='],
  ['>=', '>='],
  ['<', '<'],
  ['>', '>'],
]);

/** Reads a condition or a value. @throws {HubError} ArgumentInvalid, NotImplemented */
export function parseExpression(tokens: TokenReader): Expression {
  let left = parseAnd(tokens);
  while (tokens.takeWord('or')) left = { kind: 'binary', operator: 'or', left, right: parseAnd(tokens) };
  return left;
}

function parseAnd(tokens: TokenReader): Expression {
  let left = parseNot(tokens);
  while (tokens.takeWord('and')) left = { kind: 'binary', operator: 'and', left, right: parseNot(tokens) };
  return left;
}

function parseNot(tokens: TokenReader): Expression {
  return tokens.takeWord('not') ? { kind: 'not', operand: parseNot(tokens) } : parseComparison(tokens);
}

function parseComparison(tokens: TokenReader): Expression {
  const left = parseValue(tokens);
  if (tokens.takeWord('in')) return { kind: 'in', operand: left, items: parseItems(tokens) };
  if (tokens.takeWord('nin')) {
    return { kind: 'not', operand: { kind: 'in', operand: left, items: parseItems(tokens) } };
  }
  const operator = comparisons.get(tokens.takeOneOf([...comparisons.keys()]) ?? '');
  return operator === undefined ? left : { kind: 'binary', operator, left, right: parseValue(tokens) };
}

/** A value without AND, OR, NOT and comparisons around it. @throws {HubError} ArgumentInvalid, NotImplemented */
function parseValue(tokens: TokenReader): Expression {
  let left = parseProduct(tokens);
  for (let operator = tokens.takeOneOf(sums); operator !== undefined; operator = tokens.takeOneOf(sums)) {
    left = { kind: 'binary', operator: operator as BinaryOperator, left, right: parseProduct(tokens) };
  }
  return left;
}

function parseProduct(tokens: TokenReader): Expression {
  let left = parsePrimary(tokens);
  for (let operator = tokens.takeOneOf(products); operator !== undefined; operator = tokens.takeOneOf(products)) {
    left = { kind: 'binary', operator: operator as BinaryOperator, left, right: parsePrimary(tokens) };
  }
  return left;
}

function parsePrimary(tokens: TokenReader): Expression {
  if (tokens.takeSymbol('-')) return { kind: 'negative', operand: parsePrimary(tokens) };
  if (tokens.takeSymbol('(')) {
    const inner = parseExpression(tokens);
    tokens.expectSymbol(')');
    return inner;
  }
  const token = tokens.peek();
  if (!token || token.kind === 'symbol') throw tokens.expected('a path or a value');
  tokens.skip();
  if (token.kind === 'literal') return { kind: 'literal', value: token.value };
  if (tokens.takeSymbol('(')) return parseCall(token.text, tokens);
  return { kind: 'path', path: token.text.split('.') };
}

/** The opening parenthesis is taken already. */
function parseCall(name: string, tokens: TokenReader): Expression {
  switch (name.toLowerCase()) {
    case 'is_defined': {
      const operand = parseExpression(tokens);
      tokens.expectSymbol(')');
      return { kind: 'isDefined', operand };
    }
    case 'array_contains': {
      const array = parseExpression(tokens);
      tokens.expectSymbol(',');
      const item = parseExpression(tokens);
      tokens.expectSymbol(')');
      return { kind: 'arrayContains', array, item };
    }
    default:
      throw unsupportedQuery(`the function ${name} here`);
  }
}

function parseItems(tokens: TokenReader): Expression[] {
  tokens.expectSymbol('[');
  const items = [parseValue(tokens)];
  while (tokens.takeSymbol(',')) items.push(parseValue(tokens));
  tokens.expectSymbol(']');
  return items;
}
