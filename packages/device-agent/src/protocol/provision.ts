import type { Duplex } from 'node:stream';
import type { SecureContext } from 'node:tls';
import { systemClock, type Clock } from '../clock.ts';
import { DeviceAgentError } from '../errors.ts';
import { checkValidity, type DeviceIdentity } from '../identity/device-identity.ts';
import { createDeviceSecureContext } from '../identity/secure-context.ts';
import { ConnectionError } from '../network/connection-error.ts';
import { openStream, type OpenStreamOptions } from '../network/open-stream.ts';
import type { ProxySettings } from '../network/proxy-settings.ts';
import { firstTransport, nextTransport, type TransportChoice } from '../network/transport-choice.ts';
import { dpsError, dpsRefusal, dpsUndecided } from './dps-error.ts';
import { DpsSession, type DpsAnswer, type DpsBody } from './dps-session.ts';
import { PollPace } from './poll-pace.ts';

/** Which Device Provisioning Service to ask. */
export interface ProvisioningService {
  /** `0ne` and 8 hex digits, from the DPS instance's overview. */
  readonly idScope: string;
  /** Host, with a port where it isn't the usual one; default `global.azure-devices-provisioning.net`. */
  readonly endpoint?: string;
}

/** Where DPS wants the device to connect. */
export interface Assignment {
  readonly registrationId: string;
  readonly deviceId: string;
  /** Host name of the IoT Hub, with a port where it isn't the usual one. */
  readonly assignedHub: string;
  readonly status: 'assigned';
  /** `initialAssignment`, `deviceDataMigrated`, `deviceDataReset`, `reprovisionedToInitialAssignment`. */
  readonly substatus: string | undefined;
  /** What a custom allocation webhook sent along. */
  readonly payload: unknown;
}

export interface ProvisionOptions {
  readonly identity: DeviceIdentity;
  readonly provisioning: ProvisioningService;
  /** Default `auto`. */
  readonly transport?: TransportChoice;
  /** Default: straight there. */
  readonly proxy?: ProxySettings;
  /** PEM roots trusted beside Node's own. */
  readonly trustedRootsPem?: string;
  /** JSON value for a custom allocation webhook. */
  readonly payload?: Record<string, unknown>;
  /** Ends the attempt. */
  readonly signal?: AbortSignal;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
}

/** What a registration needs from the agent, which opens all its connections in one way. */
export interface Registration {
  readonly identity: DeviceIdentity;
  readonly provisioning: ProvisioningService;
  readonly openStream: (host: string, signal: AbortSignal | undefined) => Promise<Duplex>;
  /** Called when the request is on its way, and only the answer is waited for. */
  readonly onAsked?: () => void;
  readonly payload?: Record<string, unknown> | undefined;
  /** Members of the request's body that a source of certificates asks for. */
  readonly added?: Readonly<Record<string, unknown>> | undefined;
  readonly apiVersion?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly clock: Clock;
  readonly random: () => number;
}

/** The same for every DPS instance of the public cloud; the ID scope tells them apart. */
export const defaultEndpoint = 'global.azure-devices-provisioning.net';

/**
 * Registers a device with DPS once and waits for the assignment, obeying `retry-after` on polling, for five minutes at most.
 * Nothing is written to disk.
 *
 * @throws {DeviceAgentError} ERR_AGENT_CERTIFICATE_EXPIRED, ERR_AGENT_CERTIFICATE_NOT_YET_VALID, ERR_AGENT_DPS_REFUSED,
 *   ERR_AGENT_DPS_DISABLED, ERR_AGENT_DPS_FAILED, ERR_AGENT_DPS_BUSY (come back after `retryAfterMs`),
 *   ERR_AGENT_DPS_UNREACHABLE, ERR_AGENT_SERVER_UNTRUSTED, ERR_AGENT_STOPPED
 */
export async function provision(options: ProvisionOptions): Promise<Assignment> {
  const { identity, trustedRootsPem, transport = 'auto', proxy, clock = systemClock } = options;
  let secureContext: SecureContext | undefined;
  return registerDevice({
    ...options,
    clock,
    random: Math.random,
    openStream: (host, signal) => {
      secureContext ??= createDeviceSecureContext(identity, trustedRootsPem);
      return openEither(transport, { host, secureContext, ...(proxy && { proxy }), ...(signal && { signal }) });
    },
  });
}

/** One after the other where the choice is left open: nobody tries again after this. */
async function openEither(choice: TransportChoice, options: Omit<OpenStreamOptions, 'transport'>): Promise<Duplex> {
  const first = firstTransport(choice, undefined, new Date(0));
  try {
    return await openStream({ ...options, transport: first });
  } catch (error) {
    const second = error instanceof ConnectionError ? nextTransport(choice, first, error.kind) : first;
    if (second === first) throw error;
    // Where neither gets through, the usual port's failure says more.
    return openStream({ ...options, transport: second }).catch(() => Promise.reject(error as Error));
  }
}

/** {@link provision}, over whatever way the caller has to DPS. */
export async function registerDevice(registration: Registration): Promise<Assignment> {
  return (await registerWithState(registration)).assignment;
}

/** An assignment, with all that DPS has sent. */
export interface Registered {
  readonly assignment: Assignment;
  readonly state: NonNullable<DpsBody['registrationState']>;
}

/** {@link registerDevice}, with all that DPS has sent. */
export async function registerWithState(registration: Registration): Promise<Registered> {
  const { identity, provisioning, apiVersion, signal, clock } = registration;
  const { registrationId } = identity;
  checkValidity(identity, clock.now());
  const endpoint = provisioning.endpoint ?? defaultEndpoint;
  const where = { identity, idScope: provisioning.idScope, endpoint };
  let session: DpsSession | undefined;
  try {
    signal?.throwIfAborted();
    const stream = await registration.openStream(endpoint, signal);
    const { idScope } = provisioning;
    session = await DpsSession.open({ stream, idScope, registrationId, apiVersion, clock, signal });
    const body = await untilDecided(session, registration);
    const { registrationState: state = {} } = body;
    const { deviceId, assignedHub, substatus, payload } = state;
    if (body.status !== 'assigned' || deviceId === undefined || assignedHub === undefined)
      throw dpsRefusal(body, where);
    return { assignment: { registrationId, deviceId, assignedHub, status: 'assigned', substatus, payload }, state };
  } catch (cause) {
    if (signal?.aborted === true) {
      throw new DeviceAgentError('ERR_AGENT_STOPPED', `Provisioning of ${registrationId} was stopped.`, {
        cause,
        advice: 'Start it again to go on.',
      });
    }
    throw dpsError(cause, where);
  } finally {
    session?.close();
  }
}

/** Registers, and asks for the operation's state until it is no longer `assigning`. */
async function untilDecided(session: DpsSession, registration: Registration): Promise<DpsBody> {
  const { identity, provisioning, payload, added, clock, random, onAsked, signal = never } = registration;
  const where = { identity, idScope: provisioning.idScope, endpoint: provisioning.endpoint ?? defaultEndpoint };
  const asking = session.register(identity.registrationId, { ...(payload !== undefined && { payload }), ...added });
  onAsked?.();
  let answer = await asking;
  let { operationId } = answer.body;
  const pace = new PollPace(clock.now().getTime(), random);
  for (;;) {
    const isBusyPoll = isBusy(answer) && operationId !== undefined && answer.retryAfterMs !== undefined;
    if (answer.status >= 300 && !isBusyPoll) throw dpsRefusal(answer.body, { ...where, answer });
    operationId = answer.body.operationId ?? operationId;
    if (!isBusyPoll && (answer.body.status !== 'assigning' || operationId === undefined)) return answer.body;
    const delayMs = pace.nextDelayMs(clock.now().getTime(), answer.retryAfterMs);
    if (delayMs === undefined) throw dpsUndecided(answer, where);
    await clock.delay(delayMs, signal);
    answer = await session.operationStatus(operationId ?? '');
  }
}

const isBusy = ({ status }: DpsAnswer): boolean => status === 429 || status >= 500;

/** For waiting that nobody ends. */
const never = new AbortController().signal;
