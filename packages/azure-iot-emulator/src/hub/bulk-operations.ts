import { parseIfMatch } from './entity-tag.ts';
import type { ClientName } from './hub-client.ts';
import { HubError } from './hub-error.ts';
import type { IotHub } from './iot-hub.ts';
import { isJsonObject, type JsonObject, type JsonValue } from './json.ts';
import type { ServiceOperation, ServiceReply, ServiceRequest } from './service-operation.ts';
import { createTwin, type TwinContent } from './twin.ts';

/** Documented limit of one request. */
const mostItems = 100;

/** Several identities in one request: `POST /devices`, items as in the export format. */
export const bulkOperations: readonly ServiceOperation[] = [
  {
    method: 'POST',
    path: '/devices',
    right: 'RegistryWrite',
    meter: 'registry',
    amount: ({ body }) => (Array.isArray(body) ? Math.max(1, body.length) : 1),
    handle: writeDevices,
  },
];

/** What one item asks for. */
interface BulkItem {
  readonly deviceId: string;
  readonly moduleId: string | undefined;
  /** In lower case: clients differ. */
  readonly mode: string;
  readonly request: JsonObject;
}

type Warning = JsonObject;

/** Every item is tried; a request with a failed one is answered with 400 and the list of failures. */
function writeDevices({ hub, body }: ServiceRequest): ServiceReply {
  const items = readItems(body);
  const errors: JsonObject[] = [];
  const warnings: Warning[] = [];
  for (const item of items) {
    try {
      warnings.push(...applyItem(hub, item));
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
      errors.push({ ...nameJson(item), errorCode: error.code, errorStatus: error.message, operation: item.mode });
    }
  }
  const isSuccessful = errors.length === 0;
  return {
    status: isSuccessful ? 200 : 400,
    body: { isSuccessful, errors, warnings },
    ...(!isSuccessful && { headers: { 'iothub-errorcode': 'BulkRegistryOperationFailure' } }),
  };
}

function readItems(body: JsonValue | undefined): BulkItem[] {
  if (!Array.isArray(body)) throw new HubError('ArgumentNull', { text: 'the body has to be an array of identities' });
  if (body.length === 0 || body.length > mostItems) {
    throw invalid(`a request may have 1 to ${mostItems} identities and has ${body.length}`);
  }
  const items = (body as readonly JsonValue[]).map(readItem);
  const names = items.map(({ deviceId, moduleId = '' }) => `${deviceId}/${moduleId}`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new HubError('DeviceDefinedMultipleTimes', { text: `${twice.replace(/\/$/, '')} is there more than once` });
  }
  return items;
}

function readItem(value: JsonValue, index: number): BulkItem {
  if (!isJsonObject(value) || typeof value.id !== 'string') throw invalid(`item ${index} has no id`);
  const { moduleId = null, importMode } = value;
  if (moduleId !== null && typeof moduleId !== 'string') throw invalid(`moduleId of item ${index} has to be a text`);
  const mode = typeof importMode === 'string' ? importMode.toLowerCase() : '';
  if (!modes.has(mode)) throw invalid(`importMode of '${value.id}' has to be one of ${[...modes.keys()].join(', ')}`);
  return { deviceId: value.id, moduleId: moduleId ?? undefined, mode, request: value };
}

/** Writes one item; gives the warnings. */
type Apply = (hub: IotHub, item: BulkItem) => readonly Warning[];

const modes = new Map<string, Apply>([
  ['create', create],
  ['update', (hub, item) => update(hub, item, '*')],
  ['updateifmatchetag', (hub, item) => update(hub, item, identityTag(item))],
  ['delete', (hub, item) => remove(hub, item, '*')],
  ['deleteifmatchetag', (hub, item) => remove(hub, item, identityTag(item))],
  ['updatetwin', (hub, item) => updateTwin(hub, item, '*')],
  ['updatetwinifmatchetag', (hub, item) => updateTwin(hub, item, requiredTag(item.request.twinETag, 'twinETag'))],
]);

function applyItem(hub: IotHub, item: BulkItem): readonly Warning[] {
  return modes.get(item.mode)?.(hub, item) ?? [];
}

/** A twin that can't be taken doesn't keep the identity from being made. */
function create(hub: IotHub, item: BulkItem): readonly Warning[] {
  const { deviceId, moduleId, request } = item;
  const client =
    moduleId === undefined
      ? hub.registry.create(deviceId, request)
      : hub.registry.createModule({ deviceId, moduleId }, request);
  try {
    client.twin = createTwin(hub.now(), contentOf(request));
    return [];
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    return [{ ...nameJson(item), warningCode: 'DeviceRegisteredWithoutTwin', warningStatus: error.message }];
  }
}

function update(hub: IotHub, item: BulkItem, tag: string): readonly Warning[] {
  const { deviceId, moduleId, request } = item;
  if (moduleId === undefined) hub.registry.put(deviceId, request, parseIfMatch(tag));
  else hub.registry.putModule({ deviceId, moduleId }, request, parseIfMatch(tag));
  return [];
}

function remove(hub: IotHub, { deviceId, moduleId }: BulkItem, tag: string): readonly Warning[] {
  if (moduleId === undefined) hub.registry.delete(deviceId, parseIfMatch(tag));
  else hub.registry.deleteModule({ deviceId, moduleId }, parseIfMatch(tag));
  return [];
}

function updateTwin(hub: IotHub, item: BulkItem, tag: string): readonly Warning[] {
  const { tags, properties } = item.request;
  const request = { ...(tags !== undefined && { tags }), ...(properties !== undefined && { properties }) };
  hub.updateTwin(clientName(item), request, { mode: 'patch', precondition: parseIfMatch(tag) });
  return [];
}

function identityTag({ request }: BulkItem): string {
  // The format says eTag; Microsoft's Node client sends devices as it read them, with etag.
  return requiredTag(request.eTag ?? request.etag, 'eTag');
}

function requiredTag(value: JsonValue | undefined, name: string): string {
  if (typeof value !== 'string' || value === '') throw invalid(`${name} is missing`);
  return value === '*' || /^".*"$/.test(value) ? value : `"${value}"`;
}

function contentOf({ tags, properties }: JsonObject): TwinContent {
  const { desired, reported } = isJsonObject(properties) ? properties : {};
  return {
    ...(isJsonObject(tags) && { tags }),
    ...(isJsonObject(desired) && { desired: ownProperties(desired) }),
    ...(isJsonObject(reported) && { reported: ownProperties(reported) }),
  };
}

function ownProperties(section: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(section).filter(([key]) => key !== '$metadata' && key !== '$version'));
}

function clientName({ deviceId, moduleId }: BulkItem): ClientName {
  return moduleId === undefined ? deviceId : { deviceId, moduleId };
}

function nameJson({ deviceId, moduleId }: BulkItem): JsonObject {
  return { deviceId, ...(moduleId !== undefined && { moduleId }) };
}

function invalid(text: string): HubError {
  return new HubError('ArgumentInvalid', { text });
}
