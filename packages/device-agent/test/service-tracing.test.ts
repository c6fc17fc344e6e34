import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { DeviceAgentError, type AgentEvent } from '../src/index.ts';
import { retrying } from '../src/agent/connection-status.ts';
import { traceContextOf, traceEvents, withTraceContext } from '../src/service/tracing.ts';
import { issueIdentity, startContoso, watchedAgent, type Contoso } from './contoso.ts';

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const tracer = provider.getTracer('test');

beforeAll(() => {
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
});

afterEach(() => exporter.reset());

afterAll(() => provider.shutdown());

const error = new DeviceAgentError('ERR_AGENT_HUB_REFUSED', 'refused', { advice: 'look there', azureCode: 5 });
const connecting: AgentEvent = {
  type: 'connecting',
  hostName: 'hub',
  deviceId: 'd',
  isKept: true,
  certificate: {
    whose: 'device',
    subject: 'CN=d',
    issuer: 'CN=line-1',
    notBefore: '2026-01-01T00:00:00.000Z',
    notAfter: '2027-01-01T00:00:00.000Z',
    thumbprintSha256: 'AB',
  },
};
const milliseconds = ({ duration: [seconds, nanoseconds] }: ReadableSpan): number =>
  Math.round(seconds * 1e3 + nanoseconds / 1e6);

describe('OpenTelemetry', () => {
  it('gets spans for provisioning, connecting and methods', () => {
    const take = traceEvents(tracer);
    const assignment = { assignedHub: 'hub', deviceId: 'd', registrationId: 'd', status: 'assigned' } as const;
    take({ type: 'provisioning', idScope: '0ne00000012', reason: 'no assignment is kept' });
    take({
      type: 'provisioned',
      idScope: '0ne00000012',
      assignment: { ...assignment, substatus: undefined, payload: undefined },
    });
    take(connecting);
    take({ type: 'status', state: retrying, error });
    take({ type: 'method-called', method: 'reboot', status: 200, durationMs: 1_500 });
    const spans = exporter.getFinishedSpans();
    expect(spans.map(({ name }) => name)).toEqual(['provision', 'connect', 'method reboot']);
    expect(spans[1]?.attributes).toMatchObject({ 'server.address': 'hub', 'error.type': 'ERR_AGENT_HUB_REFUSED' });
  });

  it('gets a span for each telemetry message on the wire, by the conventions for messaging', () => {
    const take = traceEvents(tracer);
    take(connecting);
    const published = { type: 'telemetry-published', bytes: 120, properties: {}, durationMs: 250 } as const;
    take({ ...published, messageId: 'one', count: 1 });
    take({ ...published, messageId: 'batch-2', count: 2, error });
    const [one, batch] = exporter.getFinishedSpans();
    const attributes = {
      'messaging.system': 'mqtt',
      'messaging.operation.name': 'publish',
      'messaging.operation.type': 'send',
      'messaging.client.id': 'd',
      'messaging.destination.name': 'devices/d/messages/events/',
      'messaging.destination.template': 'devices/{deviceId}/messages/events/',
      'messaging.message.id': 'one',
      'messaging.message.envelope.size': 120,
      'server.address': 'hub',
    };
    expect(one).toMatchObject({
      name: 'publish devices/{deviceId}/messages/events/',
      kind: SpanKind.CLIENT,
      links: [],
      status: { code: SpanStatusCode.UNSET },
    });
    expect(one?.attributes).toEqual(attributes);
    expect(one && milliseconds(one)).toBe(250);
    expect(batch?.attributes).toEqual({
      ...attributes,
      'messaging.message.id': 'batch-2',
      'messaging.batch.message_count': 2,
      'error.type': 'ERR_AGENT_HUB_REFUSED',
    });
    expect(batch?.status).toEqual({ code: SpanStatusCode.ERROR, message: error.message });
  });

  it('puts its context into a message, and takes it from one', () => {
    const span = tracer.startSpan('measure');
    const { properties = {} } = withTraceContext(
      { body: '1', properties: { a: 'b' } },
      trace.setSpan(context.active(), span),
    );
    expect(properties).toMatchObject({
      a: 'b',
      traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/) as unknown,
    });
    expect(trace.getSpanContext(traceContextOf(properties))?.traceId).toBe(span.spanContext().traceId);
  });
});

describe('the telemetry of an agent', () => {
  let contoso: Contoso;

  beforeAll(async () => {
    contoso = await startContoso();
  });

  afterAll(() => contoso.close());

  it('has a span for a batch, which is linked to where it was measured', async () => {
    const { agent, events } = watchedAgent(contoso, await issueIdentity(contoso, 'traced'), {
      outbox: { batch: { delayMs: 60_000 } },
    });
    await agent.start();
    const measure = tracer.startSpan('measure');
    const from = trace.setSpan(context.active(), measure);
    await Promise.all([1, 2, 3].map((value) => agent.send(withTraceContext({ body: { value } }, from))));
    await agent.flush();
    await agent.stop();
    events.forEach(traceEvents(tracer));
    const [span, ...rest] = exporter.getFinishedSpans().filter(({ name }) => name.startsWith('publish '));
    const [message] = contoso.hub.telemetry.list().filter(({ deviceId }) => deviceId === 'traced');
    expect(rest).toEqual([]);
    expect(span?.attributes).toMatchObject({
      'messaging.batch.message_count': 3,
      'messaging.message.id': message?.systemProperties['message-id'],
      'messaging.destination.name': 'devices/traced/messages/events/',
      'server.address': contoso.hub.hostName,
    });
    expect(span?.parentSpanContext).toBeUndefined();
    expect(span?.links.map(({ context }) => context.spanId)).toEqual([measure.spanContext().spanId]);
  });

  it('has a span with the error for what was not acknowledged, and another when it was sent again', async () => {
    const { agent, events } = watchedAgent(contoso, await issueIdentity(contoso, 'cut-off'));
    await agent.start();
    const scope = { deviceId: 'cut-off', times: 1 } as const;
    contoso.azure.faults.add({ kind: 'messageLost', message: 'telemetry', loss: 'acknowledgement', ...scope });
    await agent.send({ body: {}, messageId: 'again' });
    await agent.flush();
    await agent.stop();
    events.forEach(traceEvents(tracer));
    const spans = exporter.getFinishedSpans().filter(({ name }) => name.startsWith('publish '));
    expect(spans.map(({ attributes }) => [attributes['messaging.message.id'], attributes['error.type']])).toEqual([
      ['again', 'ERR_AGENT_HUB_UNREACHABLE'],
      ['again', undefined],
    ]);
  });
});
