import {
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import type { AgentEvent } from '../agent/agent-options.ts';
import { DeviceAgentError, textOf } from '../errors.ts';
import type { TelemetryMessage } from '../telemetry/telemetry-message.ts';

type Published = Extract<AgentEvent, { type: 'telemetry-published' }>;

/** `@opentelemetry/api` gives a tracer that does nothing until an application registers an SDK. */
export function agentTracer(): Tracer {
  return trace.getTracer('@contoso/device-agent');
}

/**
 * Makes spans of an agent's events, for its `onEvent`:
 *
 * - `provision` and `connect`, with what they were asked and how they ended
 * - `publish devices/{deviceId}/messages/events/` for each telemetry message or batch on the wire, from PUBLISH to PUBACK
 * - `method {name}` for each direct method
 */
export function traceEvents(tracer: Tracer = agentTracer()): (event: AgentEvent) => void {
  let open: Span | undefined;
  let hub: Attributes = {};
  const begin = (name: string, attributes: Attributes): void => {
    open?.end();
    open = tracer.startSpan(name, { attributes });
  };
  const end = (error?: unknown): void => {
    if (open) endSpan(open, error);
    open = undefined;
  };
  return (event) => {
    if (event.type === 'provisioning') begin('provision', { 'contoso.reason': event.reason });
    else if (event.type === 'provisioned') {
      open?.setAttribute('server.address', event.assignment.assignedHub);
      end();
    } else if (event.type === 'connecting') {
      const server = { 'server.address': event.hostName };
      hub = { ...server, ...destination(event.deviceId) };
      begin('connect', { ...server, 'contoso.assignment.kept': event.isKept });
    } else if (event.type === 'status') end(event.error);
    else if (event.type === 'telemetry-published') tracePublish(tracer, event, hub);
    else if (event.type === 'method-called') {
      const attributes = { 'rpc.method': event.method, 'contoso.status': event.status };
      tracer.startSpan(`method ${event.method}`, { startTime: startOf(event), attributes }).end();
    }
  };
}

/**
 * The message with the current trace context in its application properties `traceparent` and `tracestate` (W3C Trace Context),
 * for whoever reads it behind the hub.
 */
export function withTraceContext(message: TelemetryMessage, from: Context = context.active()): TelemetryMessage {
  const properties: Record<string, string> = { ...message.properties };
  propagation.inject(from, properties);
  return { ...message, properties };
}

/** The trace context that a sender has put into application properties in the same way; the active one where there is none. */
export function traceContextOf(properties: Readonly<Record<string, string>>): Context {
  return propagation.extract(context.active(), properties);
}

const destinationTemplate = 'devices/{deviceId}/messages/events/';

/** The topic without its property bag, which is another for each message. */
function destination(deviceId: string): Attributes {
  return {
    'messaging.client.id': deviceId,
    'messaging.destination.name': destinationTemplate.replace('{deviceId}', () => deviceId),
    'messaging.destination.template': destinationTemplate,
  };
}

/**
 * OpenTelemetry's "Semantic conventions for messaging spans" and "for MQTT". The message may have been measured days before, in
 * another process: its own trace is linked, and this span is no part of it (hence CLIENT and not PRODUCER).
 */
function tracePublish(tracer: Tracer, event: Published, hub: Attributes): void {
  const created = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, event.properties));
  const span = tracer.startSpan(`publish ${destinationTemplate}`, {
    kind: SpanKind.CLIENT,
    root: true,
    startTime: startOf(event),
    ...(created && { links: [{ context: created }] }),
    attributes: {
      'messaging.system': 'mqtt',
      'messaging.operation.name': 'publish',
      'messaging.operation.type': 'send',
      'messaging.message.id': event.messageId,
      'messaging.message.envelope.size': event.bytes,
      ...(event.count > 1 && { 'messaging.batch.message_count': event.count }),
      ...hub,
    },
  });
  endSpan(span, event.error);
}

function endSpan(span: Span, error: unknown): void {
  if (error !== undefined) {
    // The fallback is OpenTelemetry's.
    span.setAttribute('error.type', error instanceof DeviceAgentError ? error.code : '_OTHER');
    span.setStatus({ code: SpanStatusCode.ERROR, message: textOf(error) });
  }
  span.end();
}

const startOf = ({ durationMs }: { readonly durationMs: number }): number => Date.now() - durationMs;
