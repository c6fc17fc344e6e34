import { context, propagation, SpanStatusCode, trace, type Context, type Span, type Tracer } from '@opentelemetry/api';
import type { TelemetryMessage } from '../telemetry/telemetry-message.ts';
import type { AgentEvent } from '../agent/agent-options.ts';

/** `@opentelemetry/api` gives a tracer that does nothing until an application registers an SDK. */
export function agentTracer(): Tracer {
  return trace.getTracer('@contoso/device-agent');
}

/**
 * Makes spans of an agent's events, for its `onEvent`: `provision` and `connect`, with what they were asked and how they ended,
 * and `method {name}` for each direct method.
 */
export function traceEvents(tracer: Tracer = agentTracer()): (event: AgentEvent) => void {
  let open: Span | undefined;
  const begin = (name: string, attributes: Record<string, string | boolean>): void => {
    open?.end();
    open = tracer.startSpan(name, { attributes });
  };
  const end = (error?: { readonly code: string; readonly message: string }): void => {
    if (error) {
      open?.setAttribute('error.type', error.code);
      open?.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    }
    open?.end();
    open = undefined;
  };
  return (event) => {
    if (event.type === 'provisioning') begin('provision', { 'contoso.reason': event.reason });
    else if (event.type === 'provisioned') {
      open?.setAttribute('server.address', event.assignment.assignedHub);
      end();
    } else if (event.type === 'connecting') {
      begin('connect', { 'server.address': event.hostName, 'contoso.assignment.kept': event.isKept });
    } else if (event.type === 'status') end(event.error);
    else if (event.type === 'method-called') {
      const startTime = Date.now() - event.durationMs;
      const attributes = { 'rpc.method': event.method, 'contoso.status': event.status };
      tracer.startSpan(`method ${event.method}`, { startTime, attributes }).end();
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
