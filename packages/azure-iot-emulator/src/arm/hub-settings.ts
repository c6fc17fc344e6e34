import type { LocalAuthentication } from '../hub/hub-access.ts';
import type { HubTier } from '../hub/hub-tier.ts';
import { isJsonObject, type JsonObject } from '../hub/json.ts';
import type { IotHubResource } from './iot-hub-resource.ts';

/** ARM's names of the switches that take shared access signatures away. */
const names = {
  disableLocalAuth: 'disableLocalAuth',
  disableDeviceSas: 'disableDeviceSAS',
  disableModuleSas: 'disableModuleSAS',
} as const;

/** Reads the switches of a PUT; one that isn't named is off, as in a whole PUT of ARM. */
export function parseLocalAuthentication(properties: JsonObject): LocalAuthentication {
  return {
    disableLocalAuth: properties[names.disableLocalAuth] === true,
    disableDeviceSas: properties[names.disableDeviceSas] === true,
    disableModuleSas: properties[names.disableModuleSas] === true,
  };
}

/** The switches that are on, as ARM spells them. */
export function localAuthenticationJson(local: LocalAuthentication | undefined): JsonObject {
  const on = (Object.keys(names) as (keyof typeof names)[]).filter((name) => local?.[name] === true);
  return Object.fromEntries(on.map((name) => [names[name], true]));
}

/** Makes the hub behave as its resource says. */
export function settleHub({
  hub,
  sku,
  localAuthentication,
}: Pick<IotHubResource, 'hub' | 'sku' | 'localAuthentication'>): void {
  hub.quotas.setTier(tierOf(sku));
  if (localAuthentication) hub.setLocalAuthentication(localAuthentication);
}

function tierOf(sku: unknown): HubTier {
  const { name, capacity } = isJsonObject(sku) ? sku : {};
  return {
    sku: typeof name === 'string' ? (name as HubTier['sku']) : 'S1',
    units: typeof capacity === 'number' ? capacity : 1,
  };
}
