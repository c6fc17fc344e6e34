import { DeviceAgentError, textOf, type DeviceAgentErrorCode } from '../errors.ts';
import type { DeviceIdentity } from '../identity/device-identity.ts';
import { ConnectionError } from '../network/connection-error.ts';
import type { DpsAnswer, DpsBody } from './dps-session.ts';
import { untrustedServer } from './hub-error.ts';
import { ConnectRefusedError } from './mqtt-connection.ts';
import { longestOperationMs } from './poll-pace.ts';
import { refusalAdvice } from './registration-refusal.ts';

/** Who asked whom. */
export interface DpsQuestion {
  readonly identity: DeviceIdentity;
  readonly idScope: string;
  readonly endpoint: string;
  /** Where the answer said more than its body does. */
  readonly answer?: DpsAnswer;
}

/** DPS answered, and it wasn't an assignment. */
export function dpsRefusal(body: DpsBody, { identity, idScope, answer }: DpsQuestion): DeviceAgentError {
  const { registrationState } = body;
  const azureCode = registrationState?.errorCode ?? body.errorCode ?? failedStatus(answer);
  const status = registrationState?.status ?? body.status;
  const said = [
    azureCode === undefined ? status : String(azureCode),
    registrationState?.errorMessage ?? body.message,
    body.trackingId && `tracking ID ${body.trackingId}`,
  ].filter(Boolean);
  const code = refusalCode(status, azureCode);
  const details = {
    azureCode,
    trackingId: body.trackingId,
    retryAfterMs: answer?.retryAfterMs,
    certificate: identity.certificate,
  };
  if (code === 'ERR_AGENT_DPS_BUSY') {
    return new DeviceAgentError(
      code,
      `DPS ${idScope} has no time for ${identity.registrationId} now (${said.join(', ')}).`,
      {
        ...details,
        advice: 'Try again after the time that it names; if it lasts, spread the registrations of the fleet.',
      },
    );
  }
  const shown = `It was shown ${identity.chainSubjects.join(' <- ')}, valid until ${identity.notAfter.toISOString()}.`;
  return new DeviceAgentError(
    code,
    `DPS ${idScope} refused ${identity.registrationId} (${said.join(', ')}). ${shown}`,
    { ...details, advice: refusalAdvice(identity, status) },
  );
}

/** DPS took the registration and has come to no end with it. */
export function dpsUndecided(answer: DpsAnswer, { identity, idScope }: DpsQuestion): DeviceAgentError {
  const { body, retryAfterMs } = answer;
  const { registrationId, certificate } = identity;
  return new DeviceAgentError(
    'ERR_AGENT_DPS_BUSY',
    `DPS ${idScope} has taken the registration of ${registrationId} and not decided on it within ${longestOperationMs / 60_000} min.`,
    {
      azureCode: body.errorCode ?? failedStatus(answer),
      trackingId: body.trackingId,
      retryAfterMs,
      certificate,
      advice:
        'It registers again by itself; if it lasts, look at the custom allocation and the linked hubs of this DPS.',
    },
  );
}

/** No answer from DPS, or a no to the connection itself. */
export function dpsError(cause: unknown, question: DpsQuestion): DeviceAgentError {
  const { identity, endpoint } = question;
  if (cause instanceof DeviceAgentError) return cause;
  if (cause instanceof ConnectRefusedError) {
    const isUnavailable = cause.returnCode === 3;
    const errorCode = isUnavailable ? 503 : cause.returnCode;
    return dpsRefusal({ errorCode, message: `MQTT CONNACK return code ${cause.returnCode}` }, question);
  }
  const failure = cause instanceof ConnectionError ? cause : undefined;
  if (failure?.kind === 'untrusted-server') return untrustedServer(failure);
  return new DeviceAgentError(
    'ERR_AGENT_DPS_UNREACHABLE',
    `Can't reach DPS at ${endpoint} for ${identity.registrationId}: ${failure?.detail ?? textOf(cause)}.`,
    {
      cause,
      failure: failure?.kind,
      advice: failure?.advice ?? 'Check network, DNS and that port 8883 (MQTT) or 443 (WebSocket) is open.',
    },
  );
}

/** The status of an answer whose body has no code of its own. */
function failedStatus(answer: DpsAnswer | undefined): number | undefined {
  return answer !== undefined && answer.status >= 300 ? answer.status : undefined;
}

/** DPS's codes are an HTTP status with three digits more (401002); an MQTT CONNACK return code has one digit. */
function refusalCode(status: string | undefined, azureCode: number | undefined): DeviceAgentErrorCode {
  if (status === 'disabled') return 'ERR_AGENT_DPS_DISABLED';
  if (azureCode === undefined || azureCode < 100) return 'ERR_AGENT_DPS_REFUSED';
  const httpStatus = azureCode >= 1000 ? Math.floor(azureCode / 1000) : azureCode;
  if ([400, 401, 403, 404].includes(httpStatus)) return 'ERR_AGENT_DPS_REFUSED';
  // A registration that was taken and then failed is decided; only an answer to the asking itself is about the moment.
  if (status !== 'failed' && (httpStatus === 429 || httpStatus >= 500)) return 'ERR_AGENT_DPS_BUSY';
  return 'ERR_AGENT_DPS_FAILED';
}
