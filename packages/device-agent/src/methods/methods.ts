import { systemClock, type Clock } from '../clock.ts';
import { DeviceAgentError, textOf } from '../errors.ts';
import { callHandler, type HandlerContext } from '../handler-call.ts';
import { describeIssues, issuesOf, type SchemaIssue, type StandardSchema } from '../schema/standard-schema.ts';

/** A direct method's answer: a status of the device's own choosing (HTTP-like by custom) and a JSON value. */
export interface MethodResponse {
  readonly status: number;
  readonly payload?: unknown;
}

/** Answers a call; an exception answers with status 500 and its message. */
export type MethodHandler<Payload = unknown> = (
  payload: Payload,
  context: HandlerContext,
) => Promise<MethodResponse> | MethodResponse;

/** A method with rules. Use `defineMethod`, so that the payload gets its type from the schema. */
export interface MethodDefinition<Payload = unknown> {
  /** Checked before the handler runs, which gets the schema's output; a payload that doesn't fit is answered with 400. */
  readonly schema?: StandardSchema<Payload>;
  /** Default 300,000 milliseconds: no caller of IoT Hub waits longer. After it the caller gets 504. */
  readonly timeoutMs?: number;
  /** Several calls may run at a time. */
  handle(payload: Payload, context: HandlerContext): Promise<MethodResponse> | MethodResponse;
}

/** Direct methods by name. */
export type MethodDefinitions = Readonly<Record<string, MethodHandler | MethodDefinition>>;

/** Payload of the answers that come from the agent and not from a handler. */
export interface MethodFailure {
  /** What went wrong, for a person. */
  readonly error: string;
  /** Status 400: what doesn't fit the schema. */
  readonly issues?: readonly SchemaIssue[];
}

/** An answer as it goes on the wire. */
export interface MethodAnswer {
  readonly status: number;
  /** JSON. */
  readonly payload: Buffer;
}

/** Answers calls, whatever brings them. */
export interface Methods {
  /**
   * Always answers: 400 (payload), 404 (no such method), 500 (handler failed), 504 (handler too slow).
   *
   * @param body - JSON, or nothing
   * @param signal - ends the wait when the connection ends
   * @throws the signal's reason: nobody takes an answer any more
   */
  answer(name: string, body: Buffer, signal: AbortSignal): Promise<MethodAnswer>;
}

/** Gives the handler the type of the schema's output. */
export function defineMethod<Payload>(definition: MethodDefinition<Payload>): MethodDefinition<Payload> {
  return definition;
}

const defaultTimeoutMs = 300_000;

/** Azure's limit for a method's payload in either direction ("Direct methods", 128 KB). */
const maximumBytes = 128 * 1024;

/** The methods of one device. */
export function createMethods(definitions: MethodDefinitions, clock: Clock = systemClock): Methods {
  const methods = new Map(
    Object.entries(definitions).map(([name, method]) => [
      name,
      typeof method === 'function' ? { handle: method } : method,
    ]),
  );
  return {
    async answer(name, body, signal) {
      signal.throwIfAborted();
      try {
        const method = methods.get(name);
        if (!method) throw new Failure(404, { error: `There is no method ${name} on this device.` });
        const payload = await checked(name, method, parse(name, body));
        const { timeoutMs = defaultTimeoutMs } = method;
        const options = { what: `Method ${name}`, timeoutMs, clock, signal };
        const response = await callHandler(async (context) => method.handle(payload, context), options);
        return toAnswer(name, response);
      } catch (error) {
        signal.throwIfAborted();
        return fromError(error);
      }
    },
  };
}

/** An answer in place of the handler's. */
class Failure extends Error {
  readonly status: number;
  readonly payload: MethodFailure;

  constructor(status: number, payload: MethodFailure) {
    super(payload.error);
    this.status = status;
    this.payload = payload;
  }
}

function parse(name: string, body: Buffer): unknown {
  const text = body.toString();
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch (error) {
    throw new Failure(400, { error: `The payload of ${name} is not JSON: ${textOf(error)}` });
  }
}

async function checked(name: string, { schema }: MethodDefinition, payload: unknown): Promise<unknown> {
  if (!schema) return payload;
  const result = await schema['~standard'].validate(payload);
  if (!result.issues) return result.value;
  const issues = issuesOf(result.issues, payload);
  throw new Failure(400, { error: `The payload of ${name} doesn't fit: ${describeIssues(issues)}`, issues });
}

function toAnswer(name: string, { status, payload = null }: MethodResponse): MethodAnswer {
  if (!Number.isInteger(status)) {
    throw new Failure(500, { error: `Method ${name} gave status ${String(status)}; a whole number is needed.` });
  }
  let json: Buffer;
  try {
    json = Buffer.from(JSON.stringify(payload));
  } catch (error) {
    throw new Failure(500, { error: `The result of ${name} can't be written as JSON: ${textOf(error)}` });
  }
  if (json.length > maximumBytes) {
    throw new Failure(500, {
      error: `The result of ${name} has ${json.length} bytes; IoT Hub takes ${maximumBytes}. Answer with less, or with a link.`,
    });
  }
  return { status, payload: json };
}

function fromError(error: unknown): MethodAnswer {
  if (error instanceof Failure) return { status: error.status, payload: Buffer.from(JSON.stringify(error.payload)) };
  const isTimeout = error instanceof DeviceAgentError && error.code === 'ERR_AGENT_HANDLER_TIMEOUT';
  const failure: MethodFailure = { error: textOf(error) };
  return { status: isTimeout ? 504 : 500, payload: Buffer.from(JSON.stringify(failure)) };
}
