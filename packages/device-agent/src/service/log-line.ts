import type { AgentEvent } from '../device-agent.ts';
import { DeviceAgentError } from '../errors.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What one event says in the log. */
export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

type Wording = { readonly [T in AgentEvent['type']]?: (event: Extract<AgentEvent, { type: T }>) => LogLine };

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
  provisioning: ({ reason }) => line('info', 'asking DPS', { reason }),
  provisioned: ({ assignment: { deviceId, assignedHub, substatus } }) =>
    line('info', 'DPS has assigned a hub', { hostName: assignedHub, deviceId, substatus }),
  connecting: ({ hostName, deviceId, isKept }) =>
    line('info', 'connecting to the hub', { hostName, deviceId, assignment: isKept ? 'kept' : 'new' }),
  retry: ({ attempt, delayMs, error }) =>
    line('warn', 'trying again later', { attempt, delayMs: Math.round(delayMs), cause: errorFields(error) }),
  'telemetry-acknowledged': ({ messageId }) => line('debug', 'telemetry acknowledged', { messageId }),
  'message-completed': ({ messageId }) => line('info', 'message handled', { messageId }),
  subscribed: () => line('debug', 'messages, methods and desired properties are on their way'),
  'desired-handled': ({ version }) => line('info', 'desired properties handled', { version }),
  reported: ({ properties }) => line('info', 'reported properties accepted', { names: Object.keys(properties) }),
  'handler-failed': ({ handler, error }) =>
    line('error', `the application's ${handler} failed`, { cause: errorFields(error) }),
  'twin-failed': ({ error }) => line('error', 'the hub refused reported properties', { cause: errorFields(error) }),
};

/** The log's line for an event. */
export function logLine(event: AgentEvent): LogLine {
  const words = wording[event.type] as ((event: AgentEvent) => LogLine) | undefined;
  return words?.(event) ?? line('debug', event.type.replaceAll('-', ' '));
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
