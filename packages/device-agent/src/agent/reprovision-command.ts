import { DeviceAgentError, textOf } from '../errors.ts';
import type { MethodDefinitions } from '../methods/methods.ts';
import type { StandardSchema } from '../schema/standard-schema.ts';
import type { DesiredDefinition } from '../twin/define-twin.ts';
import type { DesiredHandler } from '../twin/desired-properties.ts';
import type { JsonObject } from '../twin/merge-patch.ts';

/**
 * An operator's order to ask DPS again ("Reprovisioning devices": a device should react to a user-initiated request), or to
 * go to another DPS instance.
 */
export interface ReprovisionRequest {
  /** Default: the DPS that the device is with. */
  readonly idScope?: string;
  /** Host of that DPS, with a port where it isn't the usual one; default `global.azure-devices-provisioning.net`. */
  readonly endpoint?: string;
}

/** The names that an operator's order comes under. One that the application uses itself is the application's. */
export interface ReprovisionNames {
  /** Direct method; its payload is a {@link ReprovisionRequest} or nothing. Default `reprovision`; false for none. */
  readonly method?: string | false;
  /** Desired property; each new value, an object such as `{ "id": "2026-11", "idScope": "0ne..." }`, is an order. Default `reprovision`; false for none. */
  readonly desiredProperty?: string | false;
}

/** As DPS makes them. */
export const idScopePattern = /^0ne[0-9A-Fa-f]{8}$/;

type Act = (request: ReprovisionRequest, reason: string) => void;

/** @throws {DeviceAgentError} ERR_AGENT_COMMAND: which field, what was expected and found */
export function readReprovisionRequest(payload: unknown): ReprovisionRequest {
  if (payload === undefined || payload === null) return {};
  if (typeof payload !== 'object' || Array.isArray(payload)) throw invalid('the request', 'an object', payload);
  const { idScope, endpoint } = payload as { idScope?: unknown; endpoint?: unknown };
  if (idScope !== undefined && (typeof idScope !== 'string' || !idScopePattern.test(idScope))) {
    throw invalid('idScope', '0ne and 8 hex digits', idScope);
  }
  if (endpoint !== undefined && (typeof endpoint !== 'string' || !/^[A-Za-z0-9.-]+(:\d{1,5})?$/.test(endpoint))) {
    throw invalid('endpoint', 'a host, with a port or without', endpoint);
  }
  return { ...(idScope !== undefined && { idScope }), ...(endpoint !== undefined && { endpoint }) };
}

/** The application's methods and the order; the answer goes out before the device goes. */
export function withReprovisionMethod(methods: MethodDefinitions, name: string | false, act: Act): MethodDefinitions {
  if (name === false || Object.hasOwn(methods, name)) return methods;
  return {
    ...methods,
    [name]: (payload: unknown) => {
      try {
        const request = readReprovisionRequest(payload);
        act(request, `direct method ${name}`);
        return { status: 202, payload: { accepted: request } };
      } catch (error) {
        if (isInvalid(error)) return { status: 400, payload: { error: error.message } };
        throw error;
      }
    },
  };
}

/** The application's handler and the order, which the handler doesn't see. */
export function withReprovisionProperty(
  onDesired: DesiredHandler | DesiredDefinition,
  name: string | false,
  act: (value: JsonObject, reason: string) => void,
): DesiredHandler | DesiredDefinition {
  const inner: DesiredDefinition = typeof onDesired === 'function' ? { handle: onDesired } : onDesired;
  if (name === false || (inner.schemas && Object.hasOwn(inner.schemas, name))) return onDesired;
  return {
    ...(inner.schemas && { schemas: { ...inner.schemas, [name]: anything } }),
    handle: async (change, context) => {
      const { [name]: order, ...properties } = change.properties;
      const { [name]: _order, ...desired } = change.desired;
      const answers =
        Object.keys(properties).length > 0 ? await inner.handle({ ...change, properties, desired }, context) : {};
      if (order === undefined || order === null) return answers;
      return { ...answers, [name]: obey(order, name, act) };
    },
  };
}

function obey(
  value: unknown,
  name: string,
  act: (value: JsonObject, reason: string) => void,
): { value: unknown; code: number; description: string } {
  try {
    readReprovisionRequest(value);
    act(value as JsonObject, `desired property ${name}`);
    return { value, code: 202, description: 'DPS is asked' };
  } catch (error) {
    // One that can't be kept, on a full disk for instance, is no wrong order.
    return { value, code: isInvalid(error) ? 400 : 500, description: textOf(error) };
  }
}

function isInvalid(error: unknown): error is DeviceAgentError {
  return error instanceof DeviceAgentError && error.code === 'ERR_AGENT_COMMAND';
}

/** Its own checks say more. */
const anything: StandardSchema = {
  '~standard': { version: 1, vendor: 'contoso', validate: (value) => ({ value }) },
};

function invalid(field: string, expected: string, found: unknown): DeviceAgentError {
  return new DeviceAgentError(
    'ERR_AGENT_COMMAND',
    `The order to reprovision can't be followed: ${field} should be ${expected}, found ${JSON.stringify(found)}.`,
    { advice: 'Send it again, for instance { "idScope": "0ne00000012" }, or {} for the same DPS.' },
  );
}
