import { type Device, twinJson } from './device.ts';
import { parseDeviceQuery } from './device-query.ts';
import { readMethodRequest } from './direct-method.ts';
import { parseIfMatch, twinEtag } from './entity-tag.ts';
import { HubError } from './hub-error.ts';
import { isJsonObject } from './json.ts';
import { deviceIdOf, type ServiceOperation, type ServiceReply, type ServiceRequest } from './service-operation.ts';

const largestPage = 1000;
const defaultPage = 100;

/** Twins, direct methods and queries. */
export const twinOperations: readonly ServiceOperation[] = [
  { method: 'GET', path: '/twins/:deviceId', right: 'ServiceConnect', handle: getTwin },
  {
    method: 'PATCH',
    path: '/twins/:deviceId',
    right: 'ServiceConnect',
    handle: (request) => writeTwin(request, 'patch'),
  },
  {
    method: 'PUT',
    path: '/twins/:deviceId',
    right: 'ServiceConnect',
    handle: (request) => writeTwin(request, 'replace'),
  },
  {
    method: 'POST',
    path: '/twins/:deviceId/methods',
    right: 'ServiceConnect',
    errors: 'method',
    handle: invokeMethod,
  },
  { method: 'POST', path: '/devices/query', right: 'ServiceConnect', handle: queryDevices },
];

function getTwin(request: ServiceRequest): ServiceReply {
  return twinReply(request, request.hub.registry.require(deviceIdOf(request)));
}

function writeTwin(request: ServiceRequest, mode: 'patch' | 'replace'): ServiceReply {
  const { hub, headers, body } = request;
  if (!isJsonObject(body)) throw new HubError('ArgumentNull', { text: 'the body has to be a twin' });
  const precondition = parseIfMatch(headers['if-match']);
  return twinReply(request, hub.updateTwin(deviceIdOf(request), body, { mode, precondition }));
}

async function invokeMethod(request: ServiceRequest): Promise<ServiceReply> {
  const response = await request.hub.invokeMethod(deviceIdOf(request), readMethodRequest(request.body));
  return { status: 200, body: { ...response } };
}

/** Pages are cut at a place in the registry that the continuation token names, so a device deleted meanwhile shifts them. */
function queryDevices({ hub, headers, body }: ServiceRequest): ServiceReply {
  const text = isJsonObject(body) ? body.query : undefined;
  if (typeof text !== 'string')
    throw new HubError('ArgumentNull', { text: 'the body has to be {"query":"SELECT ..."}' });
  const matches = parseDeviceQuery(text);
  const rows = hub.registry
    .all()
    .map((device) => twinJson(device, hub.now()))
    .filter(matches);
  const asked = Number(headers['x-ms-max-item-count'] ?? defaultPage);
  const size = Number.isInteger(asked) && asked >= 1 ? Math.min(asked, largestPage) : defaultPage;
  const from = readContinuation(headers['x-ms-continuation']);
  const isLast = from + size >= rows.length;
  return {
    status: 200,
    body: rows.slice(from, from + size),
    headers: { 'x-ms-item-type': 'Twin', ...(!isLast && { 'x-ms-continuation': writeContinuation(from + size) }) },
  };
}

function writeContinuation(from: number): string {
  return Buffer.from(JSON.stringify({ from })).toString('base64');
}

function readContinuation(token: string | undefined): number {
  if (token === undefined || token === '') return 0;
  const from = Number(/^\{"from":(\d+)\}$/.exec(Buffer.from(token, 'base64').toString())?.[1]);
  if (Number.isNaN(from)) throw new HubError('ArgumentInvalid', { text: 'x-ms-continuation is none of this hub' });
  return from;
}

function twinReply({ hub }: ServiceRequest, device: Device): ServiceReply {
  const body = twinJson(device, hub.now());
  return { status: 200, body, headers: { etag: `"${twinEtag(device.twin.etagCounter)}"` } };
}
