import { formatTime } from './dotnet-time.ts';
import type { FeedbackRecord } from './cloud-to-device.ts';
import type { JsonObject } from './json.ts';
import type { ServiceOperation, ServiceReply, ServiceRequest } from './service-operation.ts';

const path = '/messages/serviceBound/feedback';
const common = { right: 'ServiceConnect', standardOnly: 'cloud-to-device messages' } as const;

/** Feedback as the service API describes it: fetched in batches, settled by a lock token. */
export const feedbackOperations: readonly ServiceOperation[] = [
  { method: 'GET', path, ...common, handle: receive },
  { method: 'DELETE', path: `${path}/:lockToken`, ...common, handle: complete },
  { method: 'POST', path: `${path}/:lockToken/abandon`, ...common, handle: abandon },
];

/** The lock token is the ETag; 204 while there is nothing. */
function receive({ hub }: ServiceRequest): ServiceReply {
  const batch = hub.feedbackEndpoint.receive();
  if (!batch) return { status: 204 };
  return {
    status: 200,
    body: batch.records.map(recordJson),
    headers: {
      etag: `"${batch.lockToken}"`,
      'iothub-enqueuedtime': formatTime(batch.enqueuedTimeMs),
      'iothub-sequencenumber': String(batch.sequenceNumber),
      'iothub-deliverycount': String(batch.deliveryCount),
      'iothub-userid': hub.name,
    },
  };
}

function complete({ hub, params }: ServiceRequest): ServiceReply {
  hub.feedbackEndpoint.complete(params.lockToken ?? '');
  return { status: 204 };
}

function abandon({ hub, params }: ServiceRequest): ServiceReply {
  hub.feedbackEndpoint.abandon(params.lockToken ?? '');
  return { status: 204 };
}

function recordJson(record: FeedbackRecord): JsonObject {
  return {
    originalMessageId: record.originalMessageId,
    description: record.description,
    deviceGenerationId: record.deviceGenerationId,
    deviceId: record.deviceId,
    ...(record.moduleId !== undefined && { moduleId: record.moduleId }),
    enqueuedTimeUtc: formatTime(record.enqueuedTimeMs),
    statusCode: record.statusCode,
  };
}
