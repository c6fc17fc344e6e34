import { DeviceAgentError } from '../errors.ts';
import type { AgentEvent } from '../agent/agent-options.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What one event says in the log. */
export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

type Wording = { readonly [T in AgentEvent['type']]: (event: Extract<AgentEvent, { type: T }>) => LogLine };

const line = (level: LogLevel, message: string, fields: Readonly<Record<string, unknown>> = {}): LogLine => ({
  level,
  message,
  fields,
});

/** Never a body, a desired or a reported value: those are the customer's, and may be secret. */
const wording: Wording = {
  status: ({ state, error }) => ({
    level: levelOf(state.status),
    message: `${state.status}: ${state.reason}`,
    fields: { ...state, ...(error && { cause: errorFields(error) }) },
  }),
  transition: ({ from, to, cause, error }) =>
    line('info', `${from} to ${to}`, { cause: error ? errorFields(error) : { message: cause } }),
  provisioning: ({ reason, idScope }) => line('info', 'asking DPS', { idScope, reason }),
  provisioned: ({ assignment: { deviceId, assignedHub, substatus }, idScope }) =>
    line('info', 'DPS has assigned a hub', { idScope, hostName: assignedHub, deviceId, substatus }),
  'move-refused': ({ idScope, error }) =>
    line('error', 'another DPS does not take this device: it stays', { idScope, cause: errorFields(error) }),
  'state-set-aside': ({ file, reason }) =>
    line('error', 'the state was damaged: it is set aside, and begun anew', { file, reason }),
  'state-failed': ({ error }) => line('error', "the agent's state can't be written", { cause: errorFields(error) }),
  connecting: ({ hostName, deviceId, isKept }) =>
    line('info', 'connecting to the hub', { hostName, deviceId, assignment: isKept ? 'kept' : 'new' }),
  retry: ({ attempt, delayMs, why, error }) =>
    line('warn', 'trying again later', { attempt, delayMs: Math.round(delayMs), why, cause: errorFields(error) }),
  'telemetry-acknowledged': ({ messageId }) => line('debug', 'telemetry acknowledged', { messageId }),
  'telemetry-published': ({ messageId, count, bytes, durationMs, error }) =>
    line('debug', error === undefined ? 'telemetry published' : 'telemetry not acknowledged', {
      messageId,
      messages: count,
      bytes,
      durationMs: Math.round(durationMs),
      ...(error !== undefined && { cause: errorFields(error) }),
    }),
  'telemetry-kept': ({ count, bytes }) => line('info', 'telemetry waits on disk', { messages: count, bytes }),
  'telemetry-dropped': ({ reason, count }) => line('warn', 'telemetry dropped', { reason, messages: count }),
  'message-completed': ({ messageId }) => line('info', 'message handled', { messageId }),
  'message-repeated': ({ messageId }) => line('debug', 'a message came again, and was handled before', { messageId }),
  'message-given-up': ({ messageId, attempts }) => line('error', 'message given up', { messageId, attempts }),
  'inbox-failed': ({ error }) => line('error', 'the state of messages failed', { cause: errorFields(error) }),
  'method-called': ({ method, status, durationMs }) =>
    line('info', 'method answered', { method, status, durationMs: Math.round(durationMs) }),
  subscribed: () => line('debug', 'messages, methods and desired properties are on their way'),
  'desired-handled': ({ version }) => line('info', 'desired properties handled', { version }),
  reported: ({ properties }) => line('info', 'reported properties accepted', { names: Object.keys(properties) }),
  'handler-failed': ({ handler, error }) =>
    line('error', `the application's ${handler} failed`, { cause: errorFields(error) }),
  'renewal-started': ({ source, step, certificate }) =>
    line('info', 'renewing the certificate', { source, step, certificate }),
  'certificate-received': ({ source, certificate }) =>
    line('info', 'new certificate received', { source, certificate }),
  'certificate-announced': ({ certificate }) => line('info', 'new certificate announced to DPS', { certificate }),
  'certificate-renewed': ({ certificate, replaces }) => line('info', 'certificate renewed', { certificate, replaces }),
  'renewal-failed': ({ step, error, retryAt, dropped }) =>
    line('error', 'renewal failed', { step, retryAt: retryAt.toISOString(), dropped, cause: errorFields(error) }),
  'credential-refused': ({ certificate, next }) => line('error', 'credential refused', { certificate, next }),
  'credential-damaged': ({ error }) => line('error', 'a kept credential is damaged', { cause: errorFields(error) }),
  'former-credential-deleted': ({ certificate }) => line('info', 'former credential deleted', { certificate }),
  'twin-failed': ({ error }) => line('error', 'the hub refused reported properties', { cause: errorFields(error) }),
};

/** The log's line for an event. */
export function logLine(event: AgentEvent): LogLine {
  // TypeScript doesn't see that the words are those of this event's type.
  return (wording[event.type] as (event: AgentEvent) => LogLine)(event);
}

function levelOf(status: string): LogLevel {
  if (status === 'DisconnectedRetrying') return 'warn';
  return status === 'Disconnected' ? 'error' : 'info';
}

/** What a failure says to programs: code, message, advice, Azure's words, the certificate behind it. */
export function errorFields(error: unknown): Readonly<Record<string, unknown>> {
  if (error instanceof DeviceAgentError) {
    const { code, message, advice, azureCode, trackingId, retryAfterMs, failure, certificate } = error;
    return { code, message, advice, azureCode, trackingId, retryAfterMs, failure, certificate };
  }
  return error instanceof Error ? { name: error.name, message: error.message } : { message: String(error) };
}
