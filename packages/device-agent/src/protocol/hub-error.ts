import { DeviceAgentError, textOf } from '../errors.ts';
import type { DeviceIdentity } from '../identity/device-identity.ts';
import { ConnectionError } from '../network/connection-error.ts';
import type { HubAddress } from './hub-session.ts';
import { ConnectRefusedError } from './mqtt-connection.ts';

/** CONNACK return codes (MQTT 3.1.1 section 3.2.2.3): 4 and 5 are about credentials, 3 is the server's own trouble. */
const unavailable = 3;

/** What went wrong on the way to a hub, or with it, in our terms. */
export function hubError(
  cause: unknown,
  { identity, address }: { readonly identity: DeviceIdentity; readonly address: HubAddress },
): DeviceAgentError {
  const { hostName, deviceId } = address;
  if (cause instanceof DeviceAgentError) return cause;
  if (cause instanceof ConnectRefusedError) {
    const { returnCode: azureCode } = cause;
    if (azureCode === unavailable) {
      return new DeviceAgentError('ERR_AGENT_HUB_BUSY', `${hostName} has no room for ${deviceId} now (CONNACK 3).`, {
        cause,
        azureCode,
        advice: 'The agent comes back by itself; if it lasts, look at the units and quotas of the hub.',
      });
    }
    const message = `${hostName} refused ${deviceId} (CONNACK ${azureCode}): the device is unknown there, disabled, or registered with another certificate.`;
    return new DeviceAgentError('ERR_AGENT_HUB_REFUSED', message, {
      cause,
      azureCode,
      certificate: identity.certificate,
      advice: "Provision it again, or look it up in the hub's device list.",
    });
  }
  const failure = cause instanceof ConnectionError ? cause : undefined;
  if (failure?.kind === 'untrusted-server') return untrustedServer(failure);
  return new DeviceAgentError(
    'ERR_AGENT_HUB_UNREACHABLE',
    `No connection from ${deviceId} to ${hostName}: ${failure?.detail ?? textOf(cause)}.`,
    {
      cause,
      failure: failure?.kind,
      advice: failure?.advice ?? 'Check network, DNS and that port 8883 (MQTT) or 443 (WebSocket) is open.',
    },
  );
}

/** The other side is not who it should be: nothing was sent to it. */
export function untrustedServer(failure: ConnectionError): DeviceAgentError {
  return new DeviceAgentError('ERR_AGENT_SERVER_UNTRUSTED', `${failure.detail}.`, {
    cause: failure,
    failure: failure.kind,
    certificate: failure.serverCertificate,
    advice: failure.advice,
  });
}

/** A twin answer that isn't a success (Azure documents, "Understand and use device twins in IoT Hub"). */
export function refusedByTwin(
  what: string,
  { status, body, retryAfterMs }: { readonly status: number; body: string; retryAfterMs: number | undefined },
): DeviceAgentError {
  const isBusy = status === 429 || status >= 500;
  return new DeviceAgentError(
    isBusy ? 'ERR_AGENT_HUB_BUSY' : 'ERR_AGENT_TWIN',
    `${what[0]?.toUpperCase()}${what.slice(1)}: status ${status}${body === '' ? '' : `, ${body.slice(0, 500)}`}.`,
    {
      azureCode: status,
      retryAfterMs,
      advice: isBusy
        ? 'The agent tries again by itself; if it lasts, look at the units and quotas of the hub.'
        : "Keep to the twin's limits (32 KB, depth 10, no $ . or space in names).",
    },
  );
}
