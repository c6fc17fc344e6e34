import { parseQuery } from '../hub-query/query-parser.ts';
import { runQuery } from '../hub-query/run-query.ts';
import { twinJson } from './client-json.ts';
import { readMethodRequest } from './direct-method.ts';
import { parseIfMatch, twinEtag } from './entity-tag.ts';
import type { Device, Module } from './hub-client.ts';
import { HubError } from './hub-error.ts';
import { isJsonObject } from './json.ts';
import { clientNameOf, type ServiceOperation, type ServiceReply, type ServiceRequest } from './service-operation.ts';

const largestPage = 1000;
const defaultPage = 100;

/** Four kilobytes: the unit in which methods are limited. */
const methodPieceBytes = 4096;

/** Twins and direct methods of devices and modules, and queries. */
export const twinOperations: readonly ServiceOperation[] = [
  ...['/twins/:deviceId', '/twins/:deviceId/modules/:moduleId'].flatMap((path): ServiceOperation[] => [
    {
      method: 'GET',
      path,
      right: 'ServiceConnect',
      meter: 'twinReads',
      isMessage: true,
      standardOnly: 'twins',
      handle: getTwin,
    },
    {
      method: 'PATCH',
      path,
      right: 'ServiceConnect',
      meter: 'twinWrites',
      isMessage: true,
      standardOnly: 'twins',
      handle: (request) => writeTwin(request, 'patch'),
    },
    {
      method: 'PUT',
      path,
      right: 'ServiceConnect',
      meter: 'twinWrites',
      isMessage: true,
      standardOnly: 'twins',
      handle: (request) => writeTwin(request, 'replace'),
    },
    {
      method: 'POST',
      path: `${path}/methods`,
      right: 'ServiceConnect',
      errors: 'method',
      meter: 'methods',
      amount: ({ body }) => Math.ceil(JSON.stringify(body ?? null).length / methodPieceBytes),
      isMessage: true,
      standardOnly: 'direct methods',
      handle: invokeMethod,
    },
  ]),
  { method: 'POST', path: '/devices/query', right: 'ServiceConnect', meter: 'queries', handle: queryTwins },
];

function getTwin(request: ServiceRequest): ServiceReply {
  return twinReply(request, request.hub.registry.requireClient(clientNameOf(request)));
}

function writeTwin(request: ServiceRequest, mode: 'patch' | 'replace'): ServiceReply {
  const { hub, headers, body } = request;
  if (!isJsonObject(body)) throw new HubError('ArgumentNull', { text: 'the body has to be a twin' });
  const precondition = parseIfMatch(headers['if-match']);
  return twinReply(request, hub.updateTwin(clientNameOf(request), body, { mode, precondition }));
}

async function invokeMethod(request: ServiceRequest): Promise<ServiceReply> {
  const response = await request.hub.invokeMethod(clientNameOf(request), readMethodRequest(request.body));
  return { status: 200, body: { ...response } };
}

/** Pages are cut at a place in the answer that the continuation token names, so a device deleted meanwhile shifts them. */
function queryTwins({ hub, headers, body }: ServiceRequest): ServiceReply {
  const text = isJsonObject(body) ? body.query : undefined;
  if (typeof text !== 'string') {
    throw new HubError('ArgumentNull', { text: 'the body has to be {"query":"SELECT ..."}' });
  }
  const query = parseQuery(text);
  const clients = query.collection === 'devices' ? hub.registry.all() : hub.registry.allModules();
  const { itemType, rows } = runQuery(
    query,
    clients.map((client) => twinJson(client, hub.now())),
  );
  const asked = Number(headers['x-ms-max-item-count'] ?? defaultPage);
  const size = Number.isInteger(asked) && asked >= 1 ? Math.min(asked, largestPage) : defaultPage;
  const from = readContinuation(headers['x-ms-continuation']);
  const isLast = from + size >= rows.length;
  return {
    status: 200,
    body: rows.slice(from, from + size),
    headers: { 'x-ms-item-type': itemType, ...(!isLast && { 'x-ms-continuation': writeContinuation(from + size) }) },
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

function twinReply({ hub }: ServiceRequest, client: Device | Module): ServiceReply {
  const body = twinJson(client, hub.now());
  return { status: 200, body, headers: { etag: `"${twinEtag(client.twin.etagCounter)}"` } };
}
