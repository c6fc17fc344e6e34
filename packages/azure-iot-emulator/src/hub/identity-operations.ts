import { identityJson } from './client-json.ts';
import { parseIfMatch } from './entity-tag.ts';
import type { Device } from './hub-client.ts';
import { HubError } from './hub-error.ts';
import { isJsonObject } from './json.ts';
import { deviceIdOf, type ServiceOperation, type ServiceReply, type ServiceRequest } from './service-operation.ts';

const mostListed = 1000;

/** Identity registry: `/devices` and `/statistics`. */
export const identityOperations: readonly ServiceOperation[] = [
  { method: 'GET', path: '/devices', right: 'RegistryRead', meter: 'registry', handle: listDevices },
  { method: 'GET', path: '/devices/:deviceId', right: 'RegistryRead', meter: 'registry', handle: getDevice },
  { method: 'PUT', path: '/devices/:deviceId', right: 'RegistryWrite', meter: 'registry', handle: putDevice },
  { method: 'DELETE', path: '/devices/:deviceId', right: 'RegistryWrite', meter: 'registry', handle: deleteDevice },
  { method: 'GET', path: '/statistics/devices', right: 'RegistryRead', meter: 'registry', handle: getDeviceStatistics },
  {
    method: 'GET',
    path: '/statistics/service',
    right: 'RegistryRead',
    meter: 'registry',
    handle: getServiceStatistics,
  },
];

function listDevices({ hub, query }: ServiceRequest): ServiceReply {
  const asked = Number(query.top ?? mostListed);
  // Anything out of range counts as the most that there is.
  const top = Number.isInteger(asked) && asked >= 1 && asked <= mostListed ? asked : mostListed;
  const devices = hub.registry.all().slice(0, top);
  return { status: 200, body: devices.map((device) => identityJson(device, hub.now())) };
}

function getDevice(request: ServiceRequest): ServiceReply {
  return identityReply(request, request.hub.registry.require(deviceIdOf(request)));
}

function putDevice(request: ServiceRequest): ServiceReply {
  const { hub, headers, body } = request;
  const deviceId = deviceIdOf(request);
  if (!isJsonObject(body)) throw new HubError('ArgumentNull', { text: 'the body has to be a device identity' });
  if (body.deviceId !== deviceId) {
    throw new HubError('ArgumentInvalid', { text: `deviceId in the body has to be '${deviceId}', as in the path` });
  }
  return identityReply(request, hub.registry.put(deviceId, body, parseIfMatch(headers['if-match'])));
}

function deleteDevice(request: ServiceRequest): ServiceReply {
  request.hub.registry.delete(deviceIdOf(request), parseIfMatch(request.headers['if-match']));
  return { status: 204 };
}

function getDeviceStatistics({ hub }: ServiceRequest): ServiceReply {
  return { status: 200, body: { ...hub.registry.statistics() } };
}

function getServiceStatistics({ hub }: ServiceRequest): ServiceReply {
  const connectedDeviceCount = hub.registry.all().filter(({ session }) => session !== undefined).length;
  return { status: 200, body: { connectedDeviceCount } };
}

function identityReply({ hub }: ServiceRequest, device: Device): ServiceReply {
  const body = identityJson(device, hub.now());
  return { status: 200, body, headers: { etag: `"${device.identity.etag}"` } };
}
