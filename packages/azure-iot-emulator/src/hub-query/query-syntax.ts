import type { JsonValue } from '../hub/json.ts';

/** Where a query's rows come from. */
export type Collection = 'devices' | 'devices.modules';

/** Names of a path, from the root of a twin on. */
export type Path = readonly string[];

/** Anything that has a value for a row. */
export type Expression =
  | { readonly kind: 'literal'; readonly value: JsonValue | undefined }
  | { readonly kind: 'path'; readonly path: Path }
  | { readonly kind: 'not'; readonly operand: Expression }
  | { readonly kind: 'negative'; readonly operand: Expression }
  | { readonly kind: 'isDefined'; readonly operand: Expression }
  | { readonly kind: 'arrayContains'; readonly array: Expression; readonly item: Expression }
  | { readonly kind: 'in'; readonly operand: Expression; readonly items: readonly Expression[] }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    };

/** Operators with two operands. */
export type BinaryOperator = 'and' | 'or' | '=' | '!=' | '<' | '>' | '<=' | '>=' | '+' | '-' | '*' | '/' | '%';

/** What is counted over several rows. */
export interface Aggregate {
  readonly kind: 'aggregate';
  readonly function: 'count' | 'avg' | 'sum' | 'min' | 'max';
  /** Undefined for COUNT. */
  readonly path: Path | undefined;
}

/** One column of the answer. */
export interface Column {
  /** Undefined where the row's own spelling of the path's last part is taken. */
  readonly alias: string | undefined;
  readonly source: Expression | Aggregate;
}

/** A query as it was read. */
export interface Query {
  readonly collection: Collection;
  /** Undefined for `SELECT *`. */
  readonly columns: readonly Column[] | undefined;
  readonly top: number | undefined;
  readonly condition: Expression | undefined;
  readonly groupBy: readonly Path[];
}
