import type { StartTimer } from '../mqtt/timer.ts';
import { formatDuration } from './dotnet-time.ts';
import type { HubAssumptions } from './hub-assumptions.ts';
import { HubError } from './hub-error.ts';
import { isJsonObject, type JsonObject, type JsonValue } from './json.ts';

/** A back end's call of a method on a device. */
export interface MethodRequest {
  readonly methodName: string;
  /** Default null. */
  readonly payload?: JsonValue;
  /** 5 to 300; default 30. */
  readonly responseTimeoutSeconds?: number;
  /** How long to wait for a device that isn't connected: 0 to 300, default 0. */
  readonly connectTimeoutSeconds?: number;
}

/** What the device answered. */
export interface MethodResponse {
  readonly status: number;
  readonly payload: JsonValue;
}

/** A request with everything filled in and checked. */
export type MethodCall = Required<MethodRequest>;

/** Documented limit for either direction. */
const largestPayloadBytes = 128 * 1024;

/** Reads the body of `POST /twins/{id}/methods`. @throws {HubError} ArgumentInvalid */
export function readMethodRequest(body: JsonValue | undefined): MethodRequest {
  if (!isJsonObject(body)) throw invalid('the body has to be an object with methodName');
  const { methodName, payload } = body;
  if (typeof methodName !== 'string') throw invalid('methodName is missing');
  return {
    methodName,
    ...(payload !== undefined && { payload }),
    ...seconds(body, 'responseTimeoutInSeconds', 'responseTimeoutSeconds'),
    ...seconds(body, 'connectTimeoutInSeconds', 'connectTimeoutSeconds'),
  };
}

/** @throws {HubError} ArgumentInvalid, MessageTooLarge */
export function checkedMethodCall(request: MethodRequest): MethodCall {
  const call = { payload: null, responseTimeoutSeconds: 30, connectTimeoutSeconds: 0, ...request };
  // Documented as printable US-ASCII without separators; '#' and '+' would be wildcards in the topic.
  if (!/^[A-Za-z0-9!$%&'*.^_`|~-]{1,100}$/.test(call.methodName)) {
    throw invalid(`method name '${call.methodName}' has to be 1 to 100 letters, digits or ! $ % & ' * . ^ _ \` | ~ -`);
  }
  checkRange('responseTimeoutInSeconds', call.responseTimeoutSeconds, 5);
  checkRange('connectTimeoutInSeconds', call.connectTimeoutSeconds, 0);
  if (Buffer.byteLength(JSON.stringify(call.payload)) > largestPayloadBytes) {
    throw new HubError('MessageTooLarge', { text: `a method's payload may have ${largestPayloadBytes} bytes` });
  }
  return call;
}

/** No device, or none that listens for methods, within the time that the caller gave. */
export function notOnline(call: MethodCall): HubError {
  return new HubError('DeviceNotOnline', { info: { timeout: formatDuration(call.connectTimeoutSeconds) } });
}

/** Methods that a device has been asked and has not answered. */
export class PendingMethods {
  readonly #startTimer: StartTimer;
  readonly #assumptions: HubAssumptions;
  readonly #pending = new Map<
    string,
    { answer: (response: MethodResponse) => void; fail: (error: HubError) => void }
  >();
  #lastRequestId = 0;

  constructor(startTimer: StartTimer, assumptions: HubAssumptions) {
    this.#startTimer = startTimer;
    this.#assumptions = assumptions;
  }

  /**
   * The promise settles with {@link answer} or {@link failAll}, or rejects with GatewayTimeout.
   *
   * @throws {HubError} DeviceMaximumInflightMethodExceeded
   */
  add(call: MethodCall): { readonly requestId: string; readonly response: Promise<MethodResponse> } {
    const { methodsInFlight } = this.#assumptions;
    if (this.#pending.size >= methodsInFlight) {
      throw new HubError('DeviceMaximumInflightMethodExceeded', {
        text: `${methodsInFlight} methods are under way, more are not allowed at a time`,
      });
    }
    this.#lastRequestId += 1;
    const requestId = this.#lastRequestId.toString(16);
    const response = new Promise<MethodResponse>((resolve, reject) => {
      const stopTimer = this.#startTimer(call.responseTimeoutSeconds * 1000, () =>
        fail(new HubError('GatewayTimeout')),
      );
      const fail = (error: HubError): void => {
        this.#settle(requestId, stopTimer);
        reject(error);
      };
      const answer = (given: MethodResponse): void => {
        this.#settle(requestId, stopTimer);
        resolve(given);
      };
      this.#pending.set(requestId, { answer, fail });
    });
    return { requestId, response };
  }

  /** What nobody waits for any more is passed over: it came too late. */
  answer(requestId: string, status: number, payload: Uint8Array): void {
    const pending = this.#pending.get(requestId);
    if (payload.length > largestPayloadBytes) {
      const text = `the device answered with ${payload.length} bytes, at most ${largestPayloadBytes} are allowed`;
      pending?.fail(new HubError('MessageTooLarge', { text }));
      return;
    }
    const text = Buffer.from(payload).toString();
    try {
      pending?.answer({ status, payload: text === '' ? null : (JSON.parse(text) as JsonValue) });
    } catch {
      const isTimeout = this.#assumptions.malformedMethodAnswer === 504;
      pending?.fail(new HubError(isTimeout ? 'GatewayTimeout' : 'InvalidDeviceResponse'));
    }
  }

  failAll(error: HubError): void {
    for (const pending of [...this.#pending.values()]) pending.fail(error);
  }

  #settle(requestId: string, stopTimer: () => void): void {
    this.#pending.delete(requestId);
    stopTimer();
  }
}

function seconds(body: JsonObject, wireName: string, name: string): Record<string, number> {
  const value = body[wireName];
  if (value === undefined || value === null) return {};
  if (typeof value !== 'number') throw invalid(`${wireName} has to be a number`);
  return { [name]: value };
}

function checkRange(name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least || value > 300) throw invalid(`${name} has to be ${least} to 300`);
}

function invalid(text: string): HubError {
  return new HubError('ArgumentInvalid', { text });
}
