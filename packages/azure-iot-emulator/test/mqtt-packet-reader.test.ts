import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { generate, parser, type Packet } from 'mqtt-packet';
import { PacketReader } from '../src/mqtt/packet-reader.ts';

/** What either reader made of some bytes. */
interface Outcome {
  readonly packets: readonly object[];
  readonly hasFailed: boolean;
}

function readAll(chunks: readonly Buffer[]): Outcome & { readonly reason: string | undefined } {
  const packets: object[] = [];
  let reason: string | undefined;
  const reader = new PacketReader({
    onPacket: (packet) => packets.push(essence(packet)),
    onFailure: (why) => (reason = why),
  });
  for (const chunk of chunks) reader.read(chunk);
  return { packets, hasFailed: reason !== undefined, reason };
}

function readByLibrary(bytes: Buffer): Outcome {
  const packets: object[] = [];
  let hasFailed = false;
  const library = parser();
  library.on('packet', (packet) => packets.push(essence(packet)));
  library.on('error', () => (hasFailed = true));
  library.parse(bytes);
  return { packets, hasFailed };
}

/** The library leaves fields of its own on packets. */
function essence(packet: Packet): object {
  if (packet.cmd !== 'publish') return { cmd: packet.cmd, messageId: packet.messageId };
  const { cmd, topic, payload, qos, dup, retain, messageId } = packet;
  return { cmd, topic, payload: Buffer.from(payload).toString('hex'), qos, dup, retain, messageId };
}

/** At the given places, where they lie in the bytes. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set([...places.map((place) => place % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

const publish = fc
  .record({
    topic: fc.oneof(fc.constantFrom('devices/d1/messages/events/', 'devices/d1/messages/events/a=b', 'ü'), fc.string()),
    payload: fc.uint8Array({ maxLength: 300 }),
    qos: fc.constantFrom(0, 1, 2),
    dup: fc.boolean(),
    retain: fc.boolean(),
    messageId: fc.integer({ min: 1, max: 0xffff }),
  })
  .filter(({ topic }) => topic !== '')
  .map(({ topic, payload, qos, dup, retain, messageId }) =>
    generate({ cmd: 'publish', topic, payload: Buffer.from(payload), qos: qos as 0, dup, retain, messageId }),
  );

const other = fc.constantFrom(
  generate({ cmd: 'pingreq' }),
  generate({ cmd: 'puback', messageId: 7 }),
  generate({ cmd: 'subscribe', messageId: 8, subscriptions: [{ topic: '$iothub/twin/res/#', qos: 0 }] }),
  generate({ cmd: 'unsubscribe', messageId: 9, unsubscriptions: ['$iothub/twin/res/#'] }),
);

const places = fc.array(fc.nat(4000), { maxLength: 12 });

describe('packets cut out of a stream', () => {
  it('ok: the same as mqtt-packet reads them, wherever the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(publish, publish, other), { maxLength: 12 }), places, (packets, at) => {
        const bytes = Buffer.concat(packets);
        const { packets: found, hasFailed } = readAll(cut(bytes, at));
        expect({ packets: found, hasFailed }).toEqual(readByLibrary(bytes));
        expect(hasFailed).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('ok: what is malformed is so wherever it is cut, and the packets before it arrive', () => {
    fc.assert(
      fc.property(
        fc.array(publish, { maxLength: 4 }),
        fc.uint8Array({ maxLength: 40 }),
        places,
        (packets, tail, at) => {
          const bytes = Buffer.concat([...packets, tail]);
          const whole = readAll([bytes]);
          // Which fault is met first depends on what has arrived.
          expect({ ...readAll(cut(bytes, at)), reason: undefined }).toEqual({ ...whole, reason: undefined });
          expect(whole.packets.slice(0, packets.length)).toEqual(readByLibrary(Buffer.concat(packets)).packets);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('ok: a large packet in small pieces', () => {
    const payload = Buffer.alloc(256 * 1024, 'x');
    const bytes = generate({ cmd: 'publish', topic: 't', payload, qos: 1, dup: false, retain: false, messageId: 3 });
    const pieces = Array.from({ length: Math.ceil(bytes.length / 1000) }, (_, index) =>
      bytes.subarray(index * 1000, (index + 1) * 1000),
    );
    expect(readAll([...pieces, generate({ cmd: 'pingreq' })]).packets).toMatchObject([
      { cmd: 'publish', messageId: 3 },
      { cmd: 'pingreq' },
    ]);
  });

  it('fail: a packet that says that it is too large is refused at its header', () => {
    expect(readAll([Buffer.from([0x30, 0xff, 0xff]), Buffer.from([0x7f])])).toMatchObject({
      packets: [],
      reason: 'packet larger than 327680 bytes',
    });
  });

  it('fail: nothing is read after a failure or a stop', () => {
    const ping = generate({ cmd: 'pingreq' });
    expect(readAll([ping, Buffer.from([0xc1]), ping]).packets).toHaveLength(1);
    const packets: string[] = [];
    const reader = new PacketReader({
      onPacket: ({ cmd }) => {
        packets.push(cmd);
        reader.stop();
      },
      onFailure: () => undefined,
    });
    reader.read(Buffer.concat([ping, ping]));
    reader.read(ping);
    expect(packets).toEqual(['pingreq']);
  });
});
