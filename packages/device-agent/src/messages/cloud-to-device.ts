/** A cloud-to-device message. */
export interface CloudToDeviceMessage {
  readonly messageId: string | undefined;
  readonly correlationId: string | undefined;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  /** Application properties; one without a value is an empty string. */
  readonly properties: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Reads the property bag of a topic `devices/{id}/messages/devicebound/{property bag}`. */
export function readCloudToDevice(topic: string, body: Buffer): CloudToDeviceMessage {
  const properties = new Map<string, string>();
  const system = new Map<string, string>();
  for (const pair of topic.split('/').slice(4).join('/').split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? '' : decode(pair.slice(equals + 1));
    (name.startsWith('$.') ? system : properties).set(name, value);
  }
  return {
    messageId: system.get('$.mid'),
    correlationId: system.get('$.cid'),
    contentType: system.get('$.ct'),
    contentEncoding: system.get('$.ce'),
    properties: Object.fromEntries(properties),
    body,
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A property that isn't percent-encoded is still the sender's property.
    return text;
  }
}
