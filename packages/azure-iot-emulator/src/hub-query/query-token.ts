import { HubError } from '../hub/hub-error.ts';
import type { JsonValue } from '../hub/json.ts';

/** A piece of a query: a keyword or path, a symbol, or a value. A hyphen without spaces belongs to the name it stands in. */
export type QueryToken =
  | { readonly kind: 'word' | 'symbol'; readonly text: string }
  | { readonly kind: 'literal'; readonly text: string; readonly value: JsonValue | undefined };

const pattern = new RegExp(
  [
    String.raw`(?<space>\s+)`,
    String.raw`(?<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")`,
    String.raw`(?<number>0x[0-9A-Fa-f]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)`,
    String.raw`(?<word>[A-Za-z_$][\w$-]*(?:\.[\w$-]+)*)`,
    String.raw`(?<symbol><=|>=|<>|!=|[-=<>()[\],*+/%])`,
  ].join('|'),
  'y',
);

const constants = new Map<string, JsonValue | undefined>([
  ['true', true],
  ['false', false],
  ['null', null],
  ['undefined', undefined],
]);

/** @throws {HubError} ArgumentInvalid at a character that belongs to nothing */
export function tokenizeQuery(query: string): QueryToken[] {
  const tokens: QueryToken[] = [];
  let at = 0;
  while (at < query.length) {
    pattern.lastIndex = at;
    const match = pattern.exec(query);
    if (!match) throw new HubError('ArgumentInvalid', { text: `query: unexpected '${query.charAt(at)}' at ${at + 1}` });
    at = pattern.lastIndex;
    const token = toToken(match);
    if (token) tokens.push(token);
  }
  return tokens;
}

function toToken({ 0: text, groups = {} }: RegExpExecArray): QueryToken | undefined {
  if (groups.space !== undefined) return undefined;
  if (groups.text !== undefined) return { kind: 'literal', text, value: unescape(text.slice(1, -1)) };
  if (groups.number !== undefined) return { kind: 'literal', text, value: Number(text) };
  if (groups.symbol !== undefined) return { kind: 'symbol', text };
  const constant = text.toLowerCase();
  return constants.has(constant) ? { kind: 'literal', text, value: constants.get(constant) } : { kind: 'word', text };
}

/** `\'`, `\"`, `\\` and `\uXXXX`. */
function unescape(text: string): string {
  return text.replace(/\\(?:u([0-9A-Fa-f]{4})|(.))/g, (_match, code: string | undefined, character: string) =>
    code === undefined ? character : String.fromCharCode(Number.parseInt(code, 16)),
  );
}
