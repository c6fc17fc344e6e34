import type { ClientIdentity } from './hub-client.ts';

/** What a device or module may publish, told by the topic. */
export type DevicePublish =
  | { readonly kind: 'telemetry'; readonly bag: string }
  | { readonly kind: 'twinGet'; readonly requestId: string }
  | { readonly kind: 'reportedPatch'; readonly requestId: string }
  | { readonly kind: 'methodResponse'; readonly requestId: string; readonly status: number };

/** What a device or module may subscribe to. */
export type SubscriptionKind = 'messages' | 'twinResponses' | 'desired' | 'methods';

type Names = Pick<ClientIdentity, 'deviceId' | 'moduleId'>;

const fixedFilters = new Map<string, SubscriptionKind>([
  ['$iothub/twin/res/#', 'twinResponses'],
  ['$iothub/twin/PATCH/properties/desired/#', 'desired'],
  ['$iothub/methods/POST/#', 'methods'],
]);

/** Undefined for every topic that IoT Hub doesn't know ("Communicate with an IoT hub using MQTT"). */
export function parseDevicePublish(topic: string, names: Names): DevicePublish | undefined {
  if (names.moduleId === undefined) {
    // What nearly every packet is, without the detour of an expression.
    const prefix = `devices/${names.deviceId}/messages/events/`;
    if (topic.startsWith(prefix)) return { kind: 'telemetry', bag: topic.slice(prefix.length).replace(/\/$/, '') };
  }
  const telemetry = /^devices\/([^/]+)\/(?:modules\/([^/]+)\/)?messages\/events(?:\/(.*))?$/.exec(topic);
  if (telemetry) {
    const [, device, module, bag = ''] = telemetry;
    return areNames([device, module], names) ? { kind: 'telemetry', bag: bag.replace(/\/$/, '') } : undefined;
  }
  const [path, query] = splitOnce(topic, '/?');
  const requestId = /(?:^|&)(?:\$|%24)rid=([^&]+)/i.exec(query)?.[1];
  if (requestId === undefined) return undefined;
  if (path === '$iothub/twin/GET') return { kind: 'twinGet', requestId };
  if (path === '$iothub/twin/PATCH/properties/reported') return { kind: 'reportedPatch', requestId };
  const status = /^\$iothub\/methods\/res\/(-?\d+)$/.exec(path)?.[1];
  return status === undefined ? undefined : { kind: 'methodResponse', requestId, status: Number(status) };
}

/** Undefined for a filter that the hub doesn't grant, such as a narrower one with the wildcard elsewhere. */
export function subscriptionKind(topicFilter: string, names: Names): SubscriptionKind | undefined {
  // A module may also ask for everything that is addressed to it.
  const [, device, module] =
    /^devices\/([^/]+)\/messages\/devicebound\/#$/i.exec(topicFilter) ??
    /^devices\/([^/]+)\/modules\/([^/]+)\/(?:messages\/devicebound\/)?#$/i.exec(topicFilter) ??
    [];
  if (device !== undefined) return areNames([device, module], names) ? 'messages' : undefined;
  return fixedFilters.get(topicFilter);
}

/** Clients write IDs as they are or percent-encoded. */
function areNames(found: readonly (string | undefined)[], { deviceId, moduleId }: Names): boolean {
  return [deviceId, moduleId].every((name, index) => {
    const segment = found[index];
    return segment === name || (segment !== undefined && decoded(segment) === name);
  });
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)];
}
