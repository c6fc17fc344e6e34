import { isJsonObject, type JsonObject, type JsonValue } from '../hub/json.ts';
import type { BinaryOperator, Expression, Path } from './query-syntax.ts';

/** A value, or undefined where it can't be told. */
type Value = JsonValue | undefined;

/** An expression's value for one row; AND, OR and NOT know true, false and can't be told. */
export function evaluate(expression: Expression, row: JsonObject): Value {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'path':
      return valueAt(row, expression.path)?.value;
    case 'not':
      return negate(evaluate(expression.operand, row));
    case 'negative':
      return arithmetic['-'](0, evaluate(expression.operand, row));
    case 'isDefined':
      return evaluate(expression.operand, row) !== undefined;
    case 'arrayContains':
      return contains(evaluate(expression.array, row), evaluate(expression.item, row));
    case 'in': {
      const value = evaluate(expression.operand, row);
      return value === undefined ? undefined : expression.items.some((item) => evaluate(item, row) === value);
    }
    case 'binary':
      return operators[expression.operator](evaluate(expression.left, row), evaluate(expression.right, row));
  }
}

/** What stands at a path, with the name at its end as the row spells it. Names at the root compare without case. */
export function valueAt(
  row: JsonObject,
  [root = '', ...rest]: Path,
): { readonly name: string; readonly value: JsonValue } | undefined {
  const rootName = Object.keys(row).find((name) => name.toLowerCase() === root.toLowerCase()) ?? root;
  let value: Value = row;
  for (const name of [rootName, ...rest]) {
    value = isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
    if (value === undefined) return undefined;
  }
  return { name: rest.at(-1) ?? rootName, value };
}

type Operator = (left: Value, right: Value) => Value;

function numbers(calculate: (left: number, right: number) => number): Operator {
  return (left, right) => {
    if (typeof left !== 'number' || typeof right !== 'number') return undefined;
    const result = calculate(left, right);
    return Number.isFinite(result) ? result : undefined;
  };
}

function ordered(holds: (order: number) => boolean): Operator {
  return (left, right) => {
    if (typeof left === 'number' && typeof right === 'number') return holds(left - right);
    if (typeof left !== 'string' || typeof right !== 'string') return undefined;
    return holds(left < right ? -1 : left > right ? 1 : 0);
  };
}

const arithmetic = {
  '+': numbers((left, right) => left + right),
  '-': numbers((left, right) => left - right),
  '*': numbers((left, right) => left * right),
  '/': numbers((left, right) => left / right),
  '%': numbers((left, right) => left % right),
};

const operators: Readonly<Record<BinaryOperator, Operator>> = {
  ...arithmetic,
  and: (left, right) => negate(or(negate(left), negate(right))),
  or,
  '=': equals,
  '!=': (left, right) => negate(equals(left, right)),
  '<': ordered((order) => order < 0),
  '>': ordered((order) => order > 0),
  '<=': ordered((order) => order <= 0),
  '>=': ordered((order) => order >= 0),
};

/** Only plain values compare ("IoT Hub query language"). */
function equals(left: Value, right: Value): Value {
  return isPrimitive(left) && isPrimitive(right) ? left === right : undefined;
}

function contains(array: Value, item: Value): Value {
  if (!Array.isArray(array) || item === undefined) return undefined;
  return (array as readonly JsonValue[]).some((element) => element === item);
}

function isPrimitive(value: Value): boolean {
  return value !== undefined && !isJsonObject(value) && !Array.isArray(value);
}

function or(left: Value, right: Value): Value {
  if (left === true || right === true) return true;
  return left === false && right === false ? false : undefined;
}

function negate(value: Value): Value {
  return typeof value === 'boolean' ? !value : undefined;
}
