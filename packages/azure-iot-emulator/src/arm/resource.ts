import type { Shelf } from '../data/shelf.ts';
import type { EntityCodec, StoredMap } from '../data/stored-map.ts';
import { isJsonObject, type JsonObject } from '../hub/json.ts';
import { twinEtag } from '../hub/entity-tag.ts';
import { unquotedEtag } from '../dps/etag.ts';
import { GatewayError, ProviderError } from './arm-error.ts';
import type { DevicesType } from './api-version.ts';
import type { Operation } from './operations.ts';

/** Where a resource of the Devices provider is. */
export interface ResourceAddress {
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  readonly name: string;
}

/** What DPS instances and hubs have in common as resources. */
export interface Resource {
  readonly address: ResourceAddress;
  /** As it was sent, for example `West US`. */
  readonly location: string;
  tags: JsonObject;
  sku: JsonObject;
  etag: string;
  /** Unix milliseconds. */
  readonly createdMs: number;
  /** What is under way: a create, an update or a delete. */
  pending: { readonly kind: 'create' | 'update' | 'delete'; readonly operation: Operation } | undefined;
}

/** What a new resource of any kind begins with; the rest comes from its own part of the first PUT. */
export function newResource(
  address: ResourceAddress,
  { location }: ResourceRequest,
  { etag, now }: { readonly etag: string; readonly now: () => number },
): Omit<Resource, 'pending'> {
  return { address, location, tags: {}, sku: {}, etag, createdMs: now() };
}

/** A resource as it is stored. */
export type ResourceState<Item extends Resource> = Omit<Item, 'pending' | 'certificates' | 'hub' | 'instance'> & {
  readonly pending?: { readonly kind: 'create' | 'update' | 'delete'; readonly operationId: string };
};

/** `properties.state` while nothing or something is under way. */
export function stateOf({ pending }: Resource): 'Active' | 'Activating' | 'Transitioning' | 'Deleting' {
  if (pending === undefined || pending.operation.isDone) return 'Active';
  return pending.kind === 'create' ? 'Activating' : pending.kind === 'delete' ? 'Deleting' : 'Transitioning';
}

/** Options of {@link Resources}. */
export interface ResourcesOptions<Item extends Resource> {
  readonly type: DevicesType;
  /** Where the counter of ETags starts. */
  readonly firstEtag: number;
  readonly shelf: Shelf;
  readonly codec: EntityCodec<Item>;
}

/** The resources of one type. Names are unique among all groups, as Azure's host names are. */
export class Resources<Item extends Resource> {
  readonly type: DevicesType;
  readonly #items: StoredMap<Item>;
  readonly #deleted: StoredMap<true>;
  readonly #etagCounter: { current: number };

  constructor({ type, firstEtag, shelf, codec }: ResourcesOptions<Item>) {
    this.type = type;
    this.#etagCounter = shelf.value('etag', () => firstEtag);
    this.#deleted = shelf.map('deleted');
    this.#items = shelf.map('resources', codec);
  }

  /** Whatever group it is in. */
  findByName(name: string): Item | undefined {
    return this.#items.get(name.toLowerCase());
  }

  find(address: ResourceAddress): Item | undefined {
    const item = this.findByName(address.name);
    return item && isSame(item.address.resourceGroup, address.resourceGroup) ? item : undefined;
  }

  /**
   * @throws {ProviderError} resourceNotFound: it was deleted
   * @throws {GatewayError} ResourceNotFound: it never existed
   */
  get(address: ResourceAddress): Item {
    const item = this.find(address);
    if (item !== undefined) return item;
    const { name, resourceGroup, subscriptionId } = address;
    if (this.#deleted.has(keyOf(address))) {
      // Says IotHub for a DPS too, as recorded.
      throw new ProviderError(
        'resourceNotFound',
        `IotHub '${name}' not found under ResourceGroup '${resourceGroup}' and Subscription '${subscriptionId}'.`,
      );
    }
    throw new GatewayError(
      'ResourceNotFound',
      `The Resource 'Microsoft.Devices/${this.type}/${name}' under resource group '${resourceGroup}' was not found. ` +
        'For more details please go to https://aka.ms/ARMResourceNotFoundFix',
    );
  }

  /** @param resourceGroup - undefined for the whole subscription */
  list(resourceGroup?: string): readonly Item[] {
    const items = [...this.#items.values()];
    return resourceGroup === undefined
      ? items
      : items.filter(({ address }) => isSame(address.resourceGroup, resourceGroup));
  }

  add(item: Item): void {
    this.#deleted.delete(keyOf(item.address));
    this.#items.set(item.address.name.toLowerCase(), item);
  }

  remove(item: Item): void {
    this.#items.delete(item.address.name.toLowerCase());
    this.#deleted.set(keyOf(item.address), true);
  }

  /** Something has begun that takes its time; an operation that is over already leaves nothing. */
  begin(item: Item, kind: 'create' | 'update' | 'delete', operation: Operation): void {
    item.pending = operation.isDone ? undefined : { kind, operation };
    if (item.pending) this.#items.touch(item.address.name.toLowerCase());
  }

  /** Base64 of an eight-byte counter that grows with every change. */
  nextEtag(): string {
    this.#etagCounter.current += 1;
    return twinEtag(this.#etagCounter.current);
  }

  /** A resource has changed: it gets its next ETag. */
  changed(item: Item): void {
    item.etag = this.nextEtag();
    this.#items.touch(item.address.name.toLowerCase());
  }
}

function keyOf({ resourceGroup, name }: ResourceAddress): string {
  return `${resourceGroup}/${name}`.toLowerCase();
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** What a PUT of a DPS or of a hub says, before its own properties are looked at. */
export interface ResourceRequest {
  readonly location: string;
  readonly tags: JsonObject;
  readonly sku: JsonObject;
  readonly properties: JsonObject;
  /** Body or If-Match. */
  readonly etag: string | undefined;
}

/** @throws {GatewayError} InvalidRequestContent, LocationRequired, NotImplemented */
export function parseResourceRequest(body: unknown, ifMatch: string | undefined): ResourceRequest {
  if (!isJsonObject(body)) {
    throw new GatewayError('InvalidRequestContent', 'The request content was invalid: expected a JSON object.');
  }
  const { location, tags, sku, properties, etag, identity } = body;
  if (isJsonObject(identity) && identity['type'] !== undefined && identity['type'] !== 'None') {
    throw new GatewayError('NotImplemented', "The emulator does not support property 'identity' of a resource.");
  }
  if (typeof location !== 'string' || location === '') {
    throw new GatewayError('LocationRequired', 'The location property is required for this definition.');
  }
  return {
    location,
    tags: isJsonObject(tags) ? tags : {},
    sku: isJsonObject(sku) ? sku : {},
    properties: isJsonObject(properties) ? properties : {},
    etag: ifMatch ?? (typeof etag === 'string' ? etag : undefined),
  };
}

/**
 * What every PUT over something that exists has to respect.
 *
 * @throws {GatewayError} InvalidResourceLocation
 * @throws {ProviderError} notActive, preconditionFailed
 */
export function checkUpdate(stored: Resource, request: ResourceRequest, type: DevicesType): void {
  const normal = (location: string) => location.toLowerCase().replaceAll(' ', '');
  const { name, resourceGroup } = stored.address;
  if (normal(stored.location) !== normal(request.location)) {
    throw new GatewayError(
      'InvalidResourceLocation',
      `The resource '${name}' already exists in location '${stored.location}' in resource group '${resourceGroup}'. ` +
        `A resource with the same name and type 'Microsoft.Devices/${type}' cannot be created in location '${request.location}'. ` +
        'Please select a new resource name.',
    );
  }
  requireActive(stored);
  const etag = request.etag === undefined ? undefined : unquotedEtag(request.etag);
  if (etag !== undefined && etag !== '*' && etag !== stored.etag) {
    throw new ProviderError('preconditionFailed', 'Invalid ETag supplied.');
  }
}

/** @throws {ProviderError} notActive */
export function requireActive(resource: Resource): void {
  resource.pending?.operation.look();
  if (stateOf(resource) !== 'Active') {
    throw new ProviderError(
      'notActive',
      `${resource.address.name} is not currently in Active state. Try the request again after it is in Active state.`,
    );
  }
}

/**
 * `sku` as it is read back: the tier is added.
 *
 * @throws {ProviderError} wrongSku
 */
export function parseSku(sku: JsonObject, names: readonly string[]): JsonObject {
  const { name, capacity } = sku;
  if (typeof name !== 'string' || !names.includes(name)) {
    throw new ProviderError(
      'wrongSku',
      `SKU '${typeof name === 'string' ? name : ''}' is not available for this resource type: expected one of ${names.join(', ')}.`,
    );
  }
  const tier = name.startsWith('F') ? 'Free' : name.startsWith('B') ? 'Basic' : 'Standard';
  return { name, tier, ...(capacity !== undefined && { capacity }) };
}

/** `id` of a resource. */
export function resourceId({ subscriptionId, resourceGroup, name }: ResourceAddress, type: DevicesType): string {
  return `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers/Microsoft.Devices/${type}/${name}`;
}
