import { moduleIdentityJson } from './client-json.ts';
import { parseIfMatch } from './entity-tag.ts';
import type { Module } from './hub-client.ts';
import { HubError } from './hub-error.ts';
import { isJsonObject } from './json.ts';
import {
  deviceIdOf,
  moduleNameOf,
  type ServiceOperation,
  type ServiceReply,
  type ServiceRequest,
} from './service-operation.ts';

const path = '/devices/:deviceId/modules/:moduleId';

/** Module identities of a device. */
export const moduleOperations: readonly ServiceOperation[] = [
  { method: 'GET', path: '/devices/:deviceId/modules', right: 'RegistryRead', meter: 'registry', handle: listModules },
  { method: 'GET', path, right: 'RegistryRead', meter: 'registry', handle: getModule },
  { method: 'PUT', path, right: 'RegistryWrite', meter: 'registry', handle: putModule },
  { method: 'DELETE', path, right: 'RegistryWrite', meter: 'registry', handle: deleteModule },
];

function listModules(request: ServiceRequest): ServiceReply {
  const { modules } = request.hub.registry.require(deviceIdOf(request));
  return { status: 200, body: [...modules.values()].map((module) => moduleIdentityJson(module, request.hub.now())) };
}

function getModule(request: ServiceRequest): ServiceReply {
  return moduleReply(request, request.hub.registry.requireModule(moduleNameOf(request)), 200);
}

function putModule(request: ServiceRequest): ServiceReply {
  const { hub, headers, body } = request;
  const name = moduleNameOf(request);
  if (!isJsonObject(body)) throw new HubError('ArgumentNull', { text: 'the body has to be a module identity' });
  if (body.deviceId !== name.deviceId || body.moduleId !== name.moduleId) {
    const text = `deviceId and moduleId in the body have to be '${name.deviceId}' and '${name.moduleId}', as in the path`;
    throw new HubError('ArgumentInvalid', { text });
  }
  const { module, isNew } = hub.registry.putModule(name, body, parseIfMatch(headers['if-match']));
  return moduleReply(request, module, isNew ? 201 : 200);
}

function deleteModule(request: ServiceRequest): ServiceReply {
  request.hub.registry.deleteModule(moduleNameOf(request), parseIfMatch(request.headers['if-match']));
  return { status: 204 };
}

function moduleReply({ hub }: ServiceRequest, module: Module, status: 200 | 201): ServiceReply {
  const body = moduleIdentityJson(module, hub.now());
  return { status, body, headers: { etag: `"${module.identity.etag}"` } };
}
