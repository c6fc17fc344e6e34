import type { SecureContext } from 'node:tls';
import iotProvisioning from 'azure-iot-provisioning-device';
import provisioningMqtt from 'azure-iot-provisioning-device-mqtt';
import { X509Security } from 'azure-iot-security-x509';
import { checkValidity, type DeviceIdentity } from '../identity/device-identity.ts';
import { DeviceAgentError, textOf, type DeviceAgentErrorCode } from '../errors.ts';
import { createMqttConnection, type ConnectionFailure, type Transport } from './mqtt-connection.ts';
import { createDeviceSecureContext } from '../identity/secure-context.ts';
import { explainRefusal } from './registration-refusal.ts';

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
  /** Default `mqtt`. */
  readonly transport?: Transport;
  /** PEM roots trusted beside Node's own. */
  readonly trustedRootsPem?: string;
  /** JSON value for a custom allocation webhook. */
  readonly payload?: Record<string, unknown>;
  /** Ends the attempt. */
  readonly signal?: AbortSignal;
  /** Default: the machine's clock. */
  readonly now?: () => Date;
  /** Made from identity and roots where absent; an agent makes it once for all its connections. */
  readonly secureContext?: SecureContext;
}

/** Shape of what Microsoft's client attaches to its errors: DPS's answer. */
interface DpsAnswer {
  readonly errorCode?: number;
  readonly trackingId?: string;
  readonly message?: string;
  readonly status?: string;
  readonly registrationState?: {
    readonly errorCode?: number;
    readonly errorMessage?: string;
    readonly status?: string;
  };
}

const defaultEndpoint = 'global.azure-devices-provisioning.net';

/**
 * Registers a device with DPS once, over Microsoft's own client, and waits for the assignment.
 *
 * The client obeys retry-after on registering and on polling. Nothing is written to disk.
 *
 * @throws {DeviceAgentError} ERR_AGENT_CERTIFICATE_EXPIRED, ERR_AGENT_CERTIFICATE_NOT_YET_VALID, ERR_AGENT_DPS_REFUSED,
 *   ERR_AGENT_DPS_DISABLED, ERR_AGENT_DPS_FAILED, ERR_AGENT_DPS_UNREACHABLE, ERR_AGENT_SERVER_UNTRUSTED, ERR_AGENT_STOPPED
 */
export async function provision(options: ProvisionOptions): Promise<Assignment> {
  const { identity, provisioning, signal, now = () => new Date() } = options;
  checkValidity(identity, now());
  const endpoint = provisioning.endpoint ?? defaultEndpoint;
  const connection = createMqttConnection(
    options.secureContext ?? createDeviceSecureContext(identity, options.trustedRootsPem),
  );
  const TransportClass = options.transport === 'mqtt-websocket' ? provisioningMqtt.MqttWs : provisioningMqtt.Mqtt;
  // The two transports declare different releases of the same base class.
  const transport = new TransportClass(connection.base as never);
  // Without a listener a connection that ends early would end the process.
  transport.on('error', () => undefined);
  const security = new X509Security(identity.registrationId, {
    cert: identity.chainPem,
    key: identity.privateKeyPem ?? 'in its token',
  });
  const client = iotProvisioning.ProvisioningDeviceClient.create(endpoint, provisioning.idScope, transport, security);
  if (options.payload) client.setProvisioningPayload(options.payload);
  const stop = (): void => connection.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    signal?.throwIfAborted();
    return toAssignment(identity, (await client.register()) as RegistrationState);
  } catch (cause) {
    if (signal?.aborted === true) {
      throw new DeviceAgentError('ERR_AGENT_STOPPED', `Provisioning of ${identity.registrationId} was stopped.`, {
        cause,
      });
    }
    throw toError(cause, connection.failure(), { identity, provisioning, endpoint });
  } finally {
    signal?.removeEventListener('abort', stop);
    connection.destroy();
  }
}

function refusalCode(status: string | undefined, errorCode: number | undefined): DeviceAgentErrorCode {
  if (status === 'disabled') return 'ERR_AGENT_DPS_DISABLED';
  const isRefusal = errorCode === undefined || [400, 401, 403, 404].includes(Math.floor(errorCode / 1000));
  return isRefusal ? 'ERR_AGENT_DPS_REFUSED' : 'ERR_AGENT_DPS_FAILED';
}

interface RegistrationState {
  readonly deviceId: string;
  readonly assignedHub: string;
  readonly substatus?: string;
  readonly payload?: unknown;
}

function toAssignment(identity: DeviceIdentity, state: RegistrationState): Assignment {
  return {
    registrationId: identity.registrationId,
    deviceId: state.deviceId,
    assignedHub: state.assignedHub,
    status: 'assigned',
    substatus: state.substatus,
    payload: state.payload,
  };
}

function toError(
  cause: unknown,
  failure: ConnectionFailure | undefined,
  where: { identity: DeviceIdentity; provisioning: ProvisioningService; endpoint: string },
): DeviceAgentError {
  const { identity, provisioning, endpoint } = where;
  const answer = (cause as { result?: DpsAnswer }).result;
  const errorCode = answer?.registrationState?.errorCode ?? answer?.errorCode;
  const status = answer?.registrationState?.status ?? answer?.status;
  if (answer && (errorCode !== undefined || status === 'disabled' || status === 'unassigned')) {
    const refusal = {
      azureCode: errorCode,
      trackingId: answer.trackingId,
      message: answer.registrationState?.errorMessage ?? answer.message,
      status,
    };
    return new DeviceAgentError(
      refusalCode(status, errorCode),
      explainRefusal(identity, provisioning.idScope, refusal),
      {
        cause,
        ...(errorCode !== undefined && { azureCode: errorCode }),
        ...(answer.trackingId !== undefined && { trackingId: answer.trackingId }),
      },
    );
  }
  if (failure?.kind === 'untrusted-server') {
    return new DeviceAgentError(
      'ERR_AGENT_SERVER_UNTRUSTED',
      `${endpoint} showed a certificate that is not trusted: ${failure.detail}. Trust its root, or look for a proxy that opens TLS.`,
      { cause },
    );
  }
  if (failure?.kind === 'refused') {
    const message = explainRefusal(identity, provisioning.idScope, {
      message: `MQTT CONNACK return code ${failure.returnCode}`,
    });
    return new DeviceAgentError('ERR_AGENT_DPS_REFUSED', message, { cause, azureCode: failure.returnCode });
  }
  return new DeviceAgentError(
    'ERR_AGENT_DPS_UNREACHABLE',
    `Can't reach DPS at ${endpoint} for ${identity.registrationId}: ${failure?.detail ?? textOf(cause)}. Check network, DNS and that port 8883 (MQTT) or 443 (WebSocket) is open.`,
    { cause },
  );
}
