/** What a device may publish, told by the topic. */
export type DevicePublish =
  | { readonly kind: 'telemetry'; readonly bag: string }
  | { readonly kind: 'twinGet'; readonly requestId: string }
  | { readonly kind: 'reportedPatch'; readonly requestId: string }
  | { readonly kind: 'methodResponse'; readonly requestId: string; readonly status: number };

/** What a device may subscribe to. */
export type SubscriptionKind = 'messages' | 'twinResponses' | 'desired' | 'methods';

const fixedFilters = new Map<string, SubscriptionKind>([
  ['$iothub/twin/res/#', 'twinResponses'],
  ['$iothub/twin/PATCH/properties/desired/#', 'desired'],
  ['$iothub/methods/POST/#', 'methods'],
]);

/** Undefined for every topic that IoT Hub doesn't know ("Communicate with an IoT hub using MQTT"). */
export function parseDevicePublish(topic: string, deviceId: string): DevicePublish | undefined {
  const telemetry = /^devices\/([^/]+)\/messages\/events(?:\/(.*))?$/.exec(topic);
  if (telemetry) {
    const [, segment = '', bag = ''] = telemetry;
    return isDevice(segment, deviceId) ? { kind: 'telemetry', bag: bag.replace(/\/$/, '') } : undefined;
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
export function subscriptionKind(topicFilter: string, deviceId: string): SubscriptionKind | undefined {
  const segment = /^devices\/([^/]+)\/messages\/devicebound\/#$/i.exec(topicFilter)?.[1];
  if (segment !== undefined) return isDevice(segment, deviceId) ? 'messages' : undefined;
  return fixedFilters.get(topicFilter);
}

/** Clients write the device ID as it is or percent-encoded. */
function isDevice(segment: string, deviceId: string): boolean {
  if (segment === deviceId) return true;
  try {
    return decodeURIComponent(segment) === deviceId;
  } catch {
    return false;
  }
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)];
}
