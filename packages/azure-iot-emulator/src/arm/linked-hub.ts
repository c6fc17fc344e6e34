import { hasKey, isSameHub } from '../dps/allocation.ts';
import type { LinkedHub } from '../dps/provisioning-instance.ts';
import type { HubDirectory } from '../hub/hub-directory.ts';
import { isJsonObject, type JsonObject } from '../hub/json.ts';
import { GatewayError, ProviderError } from './arm-error.ts';

/** A hub in `properties.iotHubs` of a DPS: what Resource Manager keeps beyond what allocation needs. */
export interface LinkedHubEntry extends LinkedHub {
  /** Free text, as it was sent. */
  readonly location: string;
}

const MASKED_KEY = '****';

/**
 * Reads `properties.iotHubs`. A masked key keeps the stored one; any other has to be a key of an existing hub, unless
 * `hubs` is undefined.
 *
 * @throws {ProviderError} argumentInvalid, linkedHub, duplicateHubs
 * @throws {GatewayError} NotImplemented
 */
export function parseLinkedHubs(
  value: unknown,
  stored: readonly LinkedHubEntry[],
  hubs: HubDirectory | undefined,
): readonly LinkedHubEntry[] {
  if (!Array.isArray(value)) throw new ProviderError('argumentInvalid', "Property 'iotHubs' has to be an array.");
  const entries = value.map((item: unknown) => parseEntry(item, stored, hubs));
  for (const [index, { hostName }] of entries.entries()) {
    if (entries.slice(0, index).some((earlier) => isSameHub(earlier.hostName, hostName))) {
      throw new ProviderError('duplicateHubs', 'Cannot have duplicate iot hubs in description.');
    }
  }
  return entries;
}

function parseEntry(item: unknown, stored: readonly LinkedHubEntry[], hubs: HubDirectory | undefined): LinkedHubEntry {
  const entry = isJsonObject(item) ? item : {};
  if (entry['authenticationType'] != null && entry['authenticationType'] !== 'KeyBased') {
    throw new GatewayError(
      'NotImplemented',
      "The emulator does not support property 'authenticationType' of a linked hub, only KeyBased.",
    );
  }
  const connection = parseConnectionString(entry['connectionString']);
  const location = entry['location'];
  if (typeof location !== 'string' || location === '') {
    throw new ProviderError('argumentInvalid', `The location of linked hub '${connection.hostName}' is required.`);
  }
  const link = connection.key === MASKED_KEY ? keepStored(connection, stored) : connection;
  if (link === connection && hubs !== undefined) requireWorking(link, hubs);
  return { ...link, location, ...parseOptions(entry) };
}

type Connection = Pick<LinkedHub, 'hostName' | 'policyName' | 'key'>;

function parseConnectionString(value: unknown): Connection {
  const text = typeof value === 'string' ? value : '';
  const fields = new Map(
    text.split(';').map((part): [string, string] => {
      const separator = part.indexOf('=');
      return [part.slice(0, separator).toLowerCase(), part.slice(separator + 1)];
    }),
  );
  const hostName = fields.get('hostname');
  const policyName = fields.get('sharedaccesskeyname');
  const key = fields.get('sharedaccesskey');
  if (!hostName || !policyName || !key) {
    throw new ProviderError(
      'linkedHub',
      'The connection string of a linked hub is invalid: expected HostName, SharedAccessKeyName and SharedAccessKey.',
    );
  }
  return { hostName, policyName, key };
}

function keepStored({ hostName }: Connection, stored: readonly LinkedHubEntry[]): Connection {
  const found = stored.find((entry) => isSameHub(entry.hostName, hostName));
  if (found === undefined) {
    throw new ProviderError(
      'linkedHub',
      `The key of hub '${hostName}' is masked, and no stored key could take its place.`,
    );
  }
  return { hostName: found.hostName, policyName: found.policyName, key: found.key };
}

function requireWorking(link: Connection, hubs: HubDirectory): void {
  const hub = hubs.findByHostName(link.hostName);
  if (hub === undefined)
    throw new ProviderError('linkedHub', `IotHub '${link.hostName}' of the connection string does not exist.`);
  if (!hasKey(hub, link)) {
    throw new ProviderError(
      'linkedHub',
      `IotHub '${link.hostName}' refuses policy '${link.policyName}' with the key of the connection string.`,
    );
  }
}

function parseOptions(entry: JsonObject): Pick<LinkedHub, 'allocationWeight' | 'applyAllocationPolicy'> {
  const { allocationWeight, applyAllocationPolicy } = entry;
  if (allocationWeight != null && !(Number.isInteger(allocationWeight) && Number(allocationWeight) > 0)) {
    throw new ProviderError('argumentInvalid', "Property 'allocationWeight' has to be a whole number above 0.");
  }
  return {
    ...(typeof applyAllocationPolicy === 'boolean' && { applyAllocationPolicy }),
    ...(typeof allocationWeight === 'number' && { allocationWeight }),
  };
}

/** @param key - what the answer shows: the masked key, or the one that was just sent */
export function linkedHubJson(entry: LinkedHubEntry, key: string = MASKED_KEY): JsonObject {
  const { hostName, policyName, location, applyAllocationPolicy, allocationWeight } = entry;
  return {
    ...(applyAllocationPolicy !== undefined && { applyAllocationPolicy }),
    ...(allocationWeight !== undefined && { allocationWeight }),
    name: hostName,
    connectionString: `HostName=${hostName};SharedAccessKeyName=${policyName};SharedAccessKey=${key}`,
    location,
  };
}
