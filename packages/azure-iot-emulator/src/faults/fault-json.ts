import { EmulatorError } from '../errors.ts';
import { isJsonObject, type JsonObject } from '../hub/json.ts';
import { type FieldChecks, type FieldProblem, findFieldProblem, number, oneOf, text } from '../json-field.ts';
import type { Fault, FaultKind } from './fault.ts';

const yearMs = 366 * 86_400_000;
const seconds = number(0, 86_400, { isWhole: true });
const scope: FieldChecks = {
  hub: text,
  dps: text,
  deviceId: text,
  share: number(0, 1, { isAbove: true }),
  seed: number(0, 2 ** 32 - 1, { isWhole: true }),
  times: number(1, Number.MAX_SAFE_INTEGER, { isWhole: true }),
};

/** Fields of each kind. */
const fields: Readonly<Record<FaultKind, FieldChecks>> = {
  drop: scope,
  freeze: scope,
  halfOpen: scope,
  blackHole: scope,
  delay: { ...scope, 'delayMs!': number(0, yearMs) },
  throttle: { ...scope, retryAfterSeconds: seconds },
  serverError: { ...scope, status: number(500, 599, { isWhole: true }), retryAfterSeconds: seconds },
  hubDown: { hub: text },
  dpsDown: { dps: text },
  failover: { hub: text, durationMs: number(0, yearMs) },
  certificate: { 'problem!': oneOf('expired', 'wrongName', 'otherRoot'), host: text },
  deviceDisabled: { hub: text, 'deviceId!': text },
  clockSkew: { 'skewMs!': number(-100 * yearMs, 100 * yearMs) },
  quotaExceeded: scope,
  messageLost: {
    ...scope,
    'message!': oneOf('telemetry', 'cloudToDevice'),
    'loss!': oneOf('beforeAcknowledgement', 'afterAcknowledgement', 'acknowledgement'),
  },
};

/** Names of all kinds. */
export const faultKinds = Object.keys(fields) as readonly FaultKind[];

/**
 * Checks that a value says a fault, and one that can be.
 *
 * @throws {EmulatorError} ERR_EMULATOR_FAULT: names the field, what was expected and what was found
 */
export function readFault(value: unknown): Fault {
  const json: JsonObject = isJsonObject(value) ? value : {};
  const { kind, ...given } = json;
  if (!faultKinds.includes(kind as FaultKind)) {
    const found = kind === undefined ? 'nothing' : JSON.stringify(kind);
    throw invalid({ field: 'kind', expected: `one of ${faultKinds.join(', ')}`, found });
  }
  const problem = findFieldProblem(given, fields[kind as FaultKind]);
  if (problem) throw invalid({ ...problem, field: `${problem.field} of ${kind as FaultKind}` });
  return json as unknown as Fault;
}

function invalid({ field, expected, found }: FieldProblem): EmulatorError {
  return new EmulatorError('ERR_EMULATOR_FAULT', `Fault: ${field}: expected ${expected}, found ${found}.`);
}
