import type { StateStore } from '../state/state-store.ts';

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

/** Messages that the hub has handed over for good (PUBACK is its "complete") and the application hasn't handled yet. */
export interface Inbox {
  /** On disk when it returns; only then may the message be acknowledged. */
  add(topic: string, body: Buffer): void;
  /** The oldest message after a sequence number, or undefined. */
  next(sequence: number): { readonly sequence: number; readonly message: CloudToDeviceMessage } | undefined;
  remove(sequence: number): void;
}

export function createInbox({ database, device }: StateStore): Inbox {
  const insert = database.prepare('INSERT INTO inbox (device, topic, body) VALUES (?, ?, ?)');
  const select = database.prepare('SELECT * FROM inbox WHERE device = ? AND sequence > ? ORDER BY sequence LIMIT 1');
  const removeOne = database.prepare('DELETE FROM inbox WHERE device = ? AND sequence = ?');
  return {
    add: (topic, body) => insert.run(device, topic, body),
    next(sequence) {
      const row = select.get(device, sequence) as { sequence: number; topic: string; body: Uint8Array } | undefined;
      return row && { sequence: row.sequence, message: toMessage(row.topic, Buffer.from(row.body)) };
    },
    remove: (sequence) => removeOne.run(device, sequence),
  };
}

/** Whether a topic carries a cloud-to-device message: `devices/{id}/messages/devicebound/{property bag}`. */
export function isCloudToDevice(topic: string): boolean {
  return /^devices\/[^/]+\/messages\/devicebound\//.test(topic);
}

function toMessage(topic: string, body: Buffer): CloudToDeviceMessage {
  const properties: Record<string, string> = {};
  const system = new Map<string, string>();
  for (const pair of topic.split('/').slice(4).join('/').split('&')) {
    if (pair === '') continue;
    const [name, value = ''] = pair.split('=', 2).map(decode);
    if (name?.startsWith('$.') === true) system.set(name, value);
    else if (name !== undefined) properties[name] = value;
  }
  return {
    messageId: system.get('$.mid'),
    correlationId: system.get('$.cid'),
    contentType: system.get('$.ct'),
    contentEncoding: system.get('$.ce'),
    properties,
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
