import { createHash } from 'node:crypto';
import type { EmulatorCloud } from '../cloud.ts';
import type { HttpPlanes, PlaneReply, PlaneRequest } from '../http-planes.ts';
import type { PlaneName } from '../host-dispatch.ts';
import type { IotHub } from '../hub/iot-hub.ts';
import { isJsonObject } from '../hub/json.ts';
import { defaultRights as hubRights } from '../hub/shared-access-policy.ts';
import {
  readSeed,
  type Seed,
  type SeedCertificate,
  type SeedHub,
  type SeedKeys,
  type SeedProvisioningService,
  seedError,
  type SeedReport,
} from './seed.ts';

/** What a seed is applied through: the planes' own requests, so that a seed can say what a client could. */
export interface SeedTarget {
  readonly cloud: EmulatorCloud;
  readonly planes: HttpPlanes;
  readonly tokenFor: (audience: string) => Promise<string>;
  readonly hub: (name: string) => IotHub | undefined;
  /** A digest of each entry that was written, by its name. */
  readonly sown: Map<string, string>;
}

const defaultGroup = 'emulator';
const defaultLocation = 'westeurope';
const serviceRights = { provisioningserviceowner: ['ServiceConfig', 'DeviceConnect', 'EnrollmentWrite'] };

/**
 * Makes what a seed says exist. An entry that was written with the same text before, and is still there, is left alone.
 *
 * @throws {EmulatorError} ERR_EMULATOR_SEED: also where a plane refuses an entry, with its words
 */
export async function applySeed(target: SeedTarget, seed: Seed | string): Promise<SeedReport> {
  const { resourceGroup = defaultGroup, hubs = [], provisioningServices = [] } = await readSeed(seed);
  const sowing = await Sowing.begin(target, resourceGroup);
  await sowing.put('resourceGroup', resourceGroup, sowing.group({ location: defaultLocation }));
  for (const [index, hub] of hubs.entries()) await sowing.hub(`hubs[${index}]`, hub);
  for (const [index, service] of provisioningServices.entries()) {
    await sowing.service(`provisioningServices[${index}]`, service);
  }
  return sowing.report;
}

interface Entry {
  readonly plane: PlaneName;
  readonly request: Omit<PlaneRequest, 'method' | 'token'> & { readonly body: object };
  /** Also sent where the entry is written. */
  readonly then?: { readonly method: 'PATCH'; readonly path: string; readonly body: object };
}

type PlaneTokens = Readonly<Partial<Record<PlaneName, string>>>;

class Sowing {
  readonly report = { written: [] as string[], unchanged: [] as string[] };
  readonly #target: SeedTarget;
  readonly #resourceGroup: string;
  readonly #tokens: PlaneTokens;

  private constructor(target: SeedTarget, resourceGroup: string, tokens: PlaneTokens) {
    this.#target = target;
    this.#resourceGroup = resourceGroup;
    this.#tokens = tokens;
  }

  static async begin(target: SeedTarget, resourceGroup: string): Promise<Sowing> {
    const { cloud, tokenFor } = target;
    return new Sowing(target, resourceGroup, {
      resourceManager: await tokenFor(cloud.resourceManagerAudience),
      provisioningService: await tokenFor(cloud.provisioningServiceAudience),
      hub: await tokenFor(cloud.hubAudience),
    });
  }

  group(body: object): Entry {
    return { plane: 'resourceManager', request: this.#arm('?api-version=2021-04-01', body) };
  }

  async hub(
    where: string,
    { name, sku = 'S1', units = 1, location = defaultLocation, ...hub }: SeedHub,
  ): Promise<void> {
    const path = `/providers/Microsoft.Devices/IotHubs/${name}`;
    const authorizationPolicies = policiesOf(`${where}.sharedAccessKeys`, hub.sharedAccessKeys, hubRights);
    const body = { location, sku: { name: sku, capacity: units }, properties: { ...authorizationPolicies } };
    await this.put(where, name, {
      plane: 'resourceManager',
      request: this.#arm(`${path}?api-version=2023-06-30`, body),
    });
    await this.#certificates(where, path, '2023-06-30', hub.certificates);
    const host = `${name}.${this.#target.cloud.hubSuffix}`;
    for (const [index, { tags, desired, ...identity }] of (hub.devices ?? []).entries()) {
      const twin = { ...(tags && { tags }), ...(desired && { properties: { desired } }) };
      const id = encodeURIComponent(identity.deviceId);
      await this.put(`${where}.devices[${index}]`, `${name}/${identity.deviceId}`, {
        plane: 'hub',
        request: { host, path: `/devices/${id}?api-version=2021-04-12`, body: identity },
        ...(Object.keys(twin).length > 0 && {
          then: { method: 'PATCH', path: `/twins/${id}?api-version=2021-04-12`, body: twin },
        }),
      });
    }
  }

  async service(where: string, service: SeedProvisioningService): Promise<void> {
    const { name, location = defaultLocation, linkedHubs = [], allocationPolicy = 'Hashed' } = service;
    const iotHubs = linkedHubs.map((hub, index) => ({
      connectionString: this.#connectionString(`${where}.linkedHubs[${index}]`, hub),
      location,
    }));
    const path = `/providers/Microsoft.Devices/provisioningServices/${name}`;
    const policies = policiesOf(`${where}.sharedAccessKeys`, service.sharedAccessKeys, serviceRights);
    const properties = { iotHubs, allocationPolicy, ...policies };
    const body = { location, sku: { name: 'S1', capacity: 1 }, properties };
    await this.put(where, name, {
      plane: 'resourceManager',
      request: this.#arm(`${path}?api-version=2022-02-05`, body),
    });
    await this.#certificates(where, path, '2022-02-05', service.certificates);
    const host = `${name}.${this.#target.cloud.provisioningServiceSuffix}`;
    const kinds = [
      ['enrollmentGroups', 'enrollmentGroupId'],
      ['enrollments', 'registrationId'],
    ] as const;
    for (const [kind, idField] of kinds) {
      for (const [index, enrollment] of (service[kind] ?? []).entries()) {
        const id = enrollment[idField] as string;
        await this.put(`${where}.${kind}[${index}]`, `${name}/${id}`, {
          plane: 'provisioningService',
          request: { host, path: `/${kind}/${encodeURIComponent(id)}?api-version=2021-10-01`, body: enrollment },
        });
      }
    }
  }

  /** @param name - tells entries of the same kind apart, whatever their place in the seed */
  async put(where: string, name: string, { plane, request, then }: Entry): Promise<void> {
    const { host, path, body } = request;
    const key = `${where.replaceAll(/\[\d+\]/g, '')} ${name}`;
    const digest = createHash('sha256')
      .update(JSON.stringify([body, then]))
      .digest('base64url');
    const isSown = this.#target.sown.get(key) === digest;
    if (isSown && (await this.#call(plane, { method: 'GET', host, path })).status === 200) {
      this.report.unchanged.push(where);
      return;
    }
    await this.#write(where, plane, { method: 'PUT', host, path, body });
    if (plane === 'resourceManager') await this.#untilActive({ method: 'GET', host, path });
    if (then) await this.#write(where, plane, { host, ...then });
    this.#target.sown.set(key, digest);
    this.report.written.push(where);
  }

  async #certificates(
    where: string,
    path: string,
    version: string,
    certificates: readonly SeedCertificate[] = [],
  ): Promise<void> {
    for (const [index, { name, certificate = '' }] of certificates.entries()) {
      const item = `${path}/certificates/${name}?api-version=${version}`;
      const body = { properties: { certificate, isVerified: true } };
      const request = this.#arm(item, body);
      await this.put(`${where}.certificates[${index}]`, `${path}/${name}`, { plane: 'resourceManager', request });
    }
  }

  #connectionString(where: string, name: string): string {
    const hub = this.#target.hub(name);
    if (hub === undefined)
      throw seedError(where, 'the name of a hub that the seed declares or that exists', `'${name}'`);
    return hub.connectionString('iothubowner');
  }

  #arm(path: string, body: object): Entry['request'] {
    const { cloud } = this.#target;
    const base = `/subscriptions/${cloud.subscriptionId}/resourceGroups/${this.#resourceGroup}`;
    return { host: `localhost:${cloud.ports.https}`, path: `${base}${path}`, body };
  }

  async #write(where: string, plane: PlaneName, request: Omit<PlaneRequest, 'token'>): Promise<void> {
    const first = await this.#call(plane, request);
    // It is there already, and differs: then all of it is meant.
    const isThere = request.method === 'PUT' && (first.status === 409 || first.status === 412);
    const { status, body } = isThere ? await this.#call(plane, { ...request, ifMatch: '*' }) : first;
    if (status >= 200 && status < 300) return;
    throw seedError(where, `what ${plane} accepts`, `${status} ${body === undefined ? '' : JSON.stringify(body)}`);
  }

  /** With `operationPolls` a resource is usable after that many looks at it. */
  async #untilActive(request: Omit<PlaneRequest, 'token'>): Promise<void> {
    for (;;) {
      const { body } = await this.#call('resourceManager', request);
      const { properties } = isJsonObject(body) ? body : {};
      const { state = 'Active' } = isJsonObject(properties) ? properties : {};
      if (state === 'Active') return;
    }
  }

  #call(plane: PlaneName, request: Omit<PlaneRequest, 'token'>): Promise<PlaneReply> {
    return this.#target.planes.call(plane, { ...request, token: this.#tokens[plane] ?? '' });
  }
}

/** `authorizationPolicies` of a resource: those that it has by itself, with the keys that the seed names. */
function policiesOf(
  where: string,
  keys: SeedKeys | undefined,
  rights: Readonly<Record<string, readonly string[]>>,
): object {
  if (keys === undefined) return {};
  const unknown = Object.keys(keys).find((name) => !(name in rights));
  if (unknown !== undefined) throw seedError(where, `policies out of ${Object.keys(rights).join(', ')}`, unknown);
  return {
    authorizationPolicies: Object.entries(rights).map(([keyName, has]) => ({
      keyName,
      rights: has.join(', '),
      ...keys[keyName],
    })),
  };
}
