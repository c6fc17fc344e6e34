import type { FastifyInstance, FastifyReply } from 'fastify';
import { isJsonObject, type JsonObject } from '../hub/json.ts';
import { checkDevicesApiVersion } from './api-version.ts';
import { ProviderError } from './arm-error.ts';
import {
  addressOf,
  type ArmRequest,
  type ArmRoute,
  checkSubscription,
  type OperationLink,
  sendDeleteAccepted,
  sendOperationResult,
  sendPutAccepted,
} from './arm-request.ts';
import type { CaCertificates } from './ca-certificates.ts';
import { registerCertificateRoutes } from './certificate-routes.ts';
import type { ManagementPlane } from './management-plane.ts';
import { checkNameAvailability, registerListRoutes } from './name-and-list-routes.ts';
import {
  checkUpdate,
  parseResourceRequest,
  requireActive,
  type Resource,
  type ResourceAddress,
  type ResourceRequest,
  type Resources,
} from './resource.ts';

/** A resource with CA certificates: a DPS or a hub. */
export interface CertifiedResource extends Resource {
  readonly certificates: CaCertificates;
}

/** One type of the Devices provider: what its resources have of their own, beside the routes that all have. */
export interface ResourceKind<Item extends CertifiedResource> {
  readonly resources: Resources<Item>;
  /** As Azure calls it in errors. */
  readonly label: 'IotHub' | 'Provisioning Service';
  readonly nameCheckPath: string;
  /** Where the keys of one policy are, below the resource. */
  readonly keysPath: string;
  /** Where operations are looked at: path of a route, and what an answer points to. */
  readonly operationResultsPath: string;
  operationLink(item: Item, operationId: string): OperationLink;
  /** A hub's certificates always show what was uploaded. */
  readonly showsCertificateContent: boolean;
  /** @throws {ProviderError} the name can't be */
  checkName(name: string): void;
  create(address: ResourceAddress, wanted: ResourceRequest): Item;
  /** Takes over what a PUT says; changes nothing where it throws. */
  apply(item: Item, wanted: ResourceRequest): void;
  show(item: Item): JsonObject;
  showAccepted(item: Item, wanted: ResourceRequest, isNew: boolean): JsonObject;
  /** With `keyName` each. */
  policies(item: Item): readonly JsonObject[];
  /** SKUs that `GET .../skus` lists; undefined where there is no such call. */
  readonly skus?: readonly string[];
}

/** `/subscriptions/../{type}/:name`. */
export function resourcePath({ type }: Pick<Resources<Resource>, 'type'>): string {
  return `/subscriptions/:subscription/resourceGroups/:group/providers/Microsoft.Devices/${type}/:name`;
}

/** Registers everything that Resource Manager has for one type of resource. */
export function registerResourceRoutes<Item extends CertifiedResource>(
  app: FastifyInstance,
  plane: ManagementPlane,
  kind: ResourceKind<Item>,
): void {
  const { resources } = kind;
  const path = resourcePath(resources);
  const find = (request: ArmRequest): Item => {
    checkDevicesApiVersion(resources.type, request.query['api-version']);
    const item = resources.get(addressOf(plane, request));
    item.pending?.operation.look();
    return item;
  };
  registerListRoutes(app, plane, { type: resources.type, resources, show: (item) => kind.show(item) });
  checkNameAvailability(app, plane, { path: kind.nameCheckPath, resources, label: kind.label });
  app.get<ArmRoute>(path, (request) => kind.show(find(request)));
  app.get<ArmRoute>(kind.operationResultsPath, (request, reply) => {
    checkDevicesApiVersion(resources.type, request.query['api-version']);
    checkSubscription(plane, request.params.subscription);
    return sendOperationResult(plane, request, reply);
  });
  registerKeyRoutes(app, kind, find);
  registerChanges(app, plane, { kind, find });
  registerCertificateRoutes(app, {
    path,
    type: resources.type,
    findOwner: find,
    showsContent: kind.showsCertificateContent,
  });
}

function registerKeyRoutes<Item extends CertifiedResource>(
  app: FastifyInstance,
  kind: ResourceKind<Item>,
  find: (request: ArmRequest) => Item,
): void {
  const path = resourcePath(kind.resources);
  const { skus } = kind;
  app.post<ArmRoute>(`${path}/listkeys`, (request) => ({ value: kind.policies(find(request)) }));
  app.post<ArmRoute>(`${path}/${kind.keysPath}/:policy/listkeys`, (request) => {
    const { policy: name, name: owner } = request.params;
    const policy = kind.policies(find(request)).find(({ keyName }) => keyName === name);
    if (policy === undefined) throw new ProviderError('resourceNotFound', `Key '${name}' not found for '${owner}'.`);
    return policy;
  });
  if (skus === undefined) return;
  app.get<ArmRoute>(`${path}/skus`, (request) => {
    find(request);
    return { value: skus.map((name) => ({ name })) };
  });
}

interface Changed<Item extends CertifiedResource> {
  readonly kind: ResourceKind<Item>;
  readonly find: (request: ArmRequest) => Item;
}

function registerChanges<Item extends CertifiedResource>(
  app: FastifyInstance,
  plane: ManagementPlane,
  { kind, find }: Changed<Item>,
): void {
  const { resources } = kind;
  const path = resourcePath(resources);
  app.put<ArmRoute>(path, (request, reply) => put(plane, kind, { request, reply }));
  app.patch<ArmRoute>(path, (request, reply) => {
    const item = find(request);
    requireActive(item);
    const { tags } = isJsonObject(request.body) ? request.body : {};
    if (isJsonObject(tags)) item.tags = tags;
    resources.changed(item);
    return reply.send(kind.show(item));
  });
  app.delete<ArmRoute>(path, (request, reply) => {
    const item = find(request);
    requireActive(item);
    const { type } = resources;
    const operation = plane.operations.start({ do: 'delete', type, name: item.address.name });
    resources.begin(item, 'delete', operation);
    return sendDeleteAccepted(plane, request, reply, kind.operationLink(item, operation.id));
  });
}

function put<Item extends CertifiedResource>(
  plane: ManagementPlane,
  kind: ResourceKind<Item>,
  { request, reply }: { readonly request: ArmRequest; readonly reply: FastifyReply },
): FastifyReply {
  const { resources } = kind;
  checkDevicesApiVersion(resources.type, request.query['api-version']);
  kind.checkName(request.params.name);
  const wanted = parseResourceRequest(request.body, request.headers['if-match']);
  const address = addressOf(plane, request);
  const stored = resources.find(address);
  if (stored === undefined && resources.findByName(address.name) !== undefined) {
    throw new ProviderError('nameTaken', `${kind.label} name '${address.name}' not available.`);
  }
  if (stored !== undefined) checkUpdate(stored, wanted, resources.type);
  const item = stored ?? kind.create(address, wanted);
  kind.apply(item, wanted);
  if (stored === undefined) resources.add(item);
  else resources.changed(item);
  const operation = plane.operations.start();
  resources.begin(item, stored === undefined ? 'create' : 'update', operation);
  return sendPutAccepted(plane, request, reply, {
    link: kind.operationLink(item, operation.id),
    body: kind.showAccepted(item, wanted, stored === undefined),
  });
}
