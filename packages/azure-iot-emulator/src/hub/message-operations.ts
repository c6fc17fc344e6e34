import { Readable } from 'node:stream';
import type { Acknowledgement, CloudToDeviceRequest, FeedbackRecord } from './cloud-to-device.ts';
import { formatTime } from './dotnet-time.ts';
import { HubError } from './hub-error.ts';
import { isJsonObject, type JsonObject, type JsonValue } from './json.ts';
import type { LogRecord, RecordLog } from './record-log.ts';
import { clientNameOf, type ServiceOperation, type ServiceReply, type ServiceRequest } from './service-operation.ts';
import type { TelemetryMessage } from './telemetry.ts';

const longestWaitMs = 60_000;

const standardOnly = 'cloud-to-device messages';

/**
 * Messages. Azure has the purge over HTTP; sending, telemetry and feedback in order it has over AMQP only, so those are
 * the emulator's own.
 */
export const messageOperations: readonly ServiceOperation[] = [
  ...['/devices/:deviceId', '/devices/:deviceId/modules/:moduleId'].flatMap((path): ServiceOperation[] => [
    { method: 'DELETE', path: `${path}/commands`, right: 'ServiceConnect', standardOnly, handle: purge },
    {
      method: 'POST',
      path: `${path}/messages/devicebound`,
      right: 'ServiceConnect',
      isEmulatorsOwn: true,
      meter: 'messages',
      isMessage: true,
      standardOnly,
      handle: send,
    },
  ]),
  {
    method: 'GET',
    path: '/emulator/telemetry',
    right: 'ServiceConnect',
    isEmulatorsOwn: true,
    handle: (request) => readLog(request, request.hub.telemetry, telemetryJson),
  },
  {
    method: 'GET',
    path: '/emulator/telemetry/stream',
    right: 'ServiceConnect',
    isEmulatorsOwn: true,
    handle: (request) => streamLog(request, request.hub.telemetry, telemetryJson),
  },
  {
    method: 'GET',
    path: '/emulator/feedback',
    right: 'ServiceConnect',
    isEmulatorsOwn: true,
    handle: (request) => readLog(request, request.hub.feedback, feedbackJson),
  },
];

function purge(request: ServiceRequest): ServiceReply {
  const client = request.hub.registry.requireClient(clientNameOf(request));
  const { deviceId, moduleId = null } = client.identity;
  return { status: 200, body: { totalMessagesPurged: client.messages.purge(), deviceId, moduleId } };
}

function send(request: ServiceRequest): ServiceReply {
  const { messageId } = request.hub.sendToDevice(clientNameOf(request), readMessage(request.body));
  return { status: 201, body: { messageId } };
}

/** Each record as a line of JSON, those that are there first, until the client leaves or the hub is closed. */
function streamLog<T extends LogRecord & { readonly deviceId: string }>(
  { query }: ServiceRequest,
  log: RecordLog<T>,
  toJson: (record: T) => JsonObject,
): ServiceReply {
  const after = readNumber(query.after, 'after', Number.MAX_SAFE_INTEGER);
  const records = log.follow(after);
  async function* lines(): AsyncGenerator<string> {
    // Headers go out with the first bytes; an empty line lets the client know that it is listening.
    yield '\n';
    for await (const record of records) {
      if (query.deviceId === undefined || record.deviceId === query.deviceId) {
        yield `${JSON.stringify(toJson(record))}\n`;
      }
    }
  }
  const stream = Readable.from(lines());
  stream.once('close', () => void records.return());
  return { status: 200, stream, headers: { 'content-type': 'application/x-ndjson' } };
}

/** Answers at once with what there is above `after`, or waits `waitMs` for the first that comes. */
async function readLog<T extends LogRecord & { readonly deviceId: string }>(
  { query }: ServiceRequest,
  log: RecordLog<T>,
  toJson: (record: T) => JsonObject,
): Promise<ServiceReply> {
  const after = readNumber(query.after, 'after', Number.MAX_SAFE_INTEGER);
  const timeoutMs = readNumber(query.waitMs, 'waitMs', longestWaitMs);
  const isMeant = (record: T): boolean => query.deviceId === undefined || record.deviceId === query.deviceId;
  await log.waitFor(isMeant, { after, timeoutMs });
  const records = log.list(after).filter(isMeant);
  return { status: 200, body: { records: records.map(toJson), lastSequenceNumber: log.lastSequenceNumber } };
}

function telemetryJson(message: TelemetryMessage): JsonObject {
  return {
    sequenceNumber: message.sequenceNumber,
    deviceId: message.deviceId,
    ...(message.moduleId !== undefined && { moduleId: message.moduleId }),
    enqueuedTimeUtc: formatTime(message.enqueuedTimeMs),
    systemProperties: message.systemProperties,
    applicationProperties: message.applicationProperties,
    bodyBase64: Buffer.from(message.body).toString('base64'),
  };
}

function feedbackJson({ enqueuedTimeMs, ...record }: FeedbackRecord): JsonObject {
  return { ...record, enqueuedTimeUtc: formatTime(enqueuedTimeMs) };
}

function readMessage(body: JsonValue | undefined): CloudToDeviceRequest {
  if (!isJsonObject(body)) throw invalid('the body has to be {"body":"text"} or {"bodyBase64":".."} and properties');
  const { expiryTimeUtc, properties } = body;
  const expiryTimeMs = typeof expiryTimeUtc === 'string' ? Date.parse(expiryTimeUtc) : undefined;
  if (Number.isNaN(expiryTimeMs)) throw invalid('expiryTimeUtc has to be an ISO 8601 time');
  return {
    body: readBody(body),
    ...readTexts(body),
    ...(body.ack !== undefined && { ack: readAck(body.ack) }),
    ...(expiryTimeMs !== undefined && { expiryTimeMs }),
    ...(properties !== undefined && { properties: readProperties(properties) }),
  };
}

function readBody({ body, bodyBase64 }: JsonObject): Uint8Array {
  if (typeof bodyBase64 === 'string' && body === undefined) return Buffer.from(bodyBase64, 'base64');
  if (typeof body === 'string' && bodyBase64 === undefined) return Buffer.from(body);
  throw invalid('either body (a text) or bodyBase64 is needed');
}

function readTexts(body: JsonObject): Partial<CloudToDeviceRequest> {
  const names = ['messageId', 'correlationId', 'userId', 'contentType', 'contentEncoding'];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = body[name];
      if (value === undefined) return [];
      if (typeof value !== 'string') throw invalid(`${name} has to be a text`);
      return [[name, value]];
    }),
  );
}

function readAck(value: JsonValue): Acknowledgement {
  if (value === 'none' || value === 'positive' || value === 'negative' || value === 'full') return value;
  throw invalid('ack has to be none, positive, negative or full');
}

function readProperties(value: JsonValue): Record<string, string | null> {
  if (!isJsonObject(value)) throw invalid('properties has to be an object');
  return Object.fromEntries(
    Object.entries(value).map(([key, property]): [string, string | null] => {
      if (typeof property !== 'string' && property !== null)
        throw invalid(`property '${key}' has to be a text or null`);
      return [key, property];
    }),
  );
}

function readNumber(text: string | undefined, name: string, most: number): number {
  const value = Number(text ?? 0);
  if (Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw invalid(`${name} has to be a whole number from 0 to ${most}`);
}

function invalid(text: string): HubError {
  return new HubError('ArgumentInvalid', { text });
}
