import { Duplex } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { generate, type Packet } from 'mqtt-packet';
import { parseDevicePublish, subscriptionKind } from '../src/hub/device-topic.ts';
import { decodePropertyBag, encodePropertyBag } from '../src/hub/property-bag.ts';
import { serveMqtt } from '../src/mqtt/connection.ts';
import type { MqttClient, MqttService } from '../src/mqtt/service.ts';
import { FakeClock } from './mqtt-fake-clock.ts';

/** The emulator's end of a connection, in memory. */
class Line extends Duplex {
  readonly written: Buffer[] = [];
  override _read(): void {
    // The test pushes.
  }
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(chunk);
    done();
  }
}

/** Notes how often a session begins and ends. */
class Counter implements MqttService {
  opened = 0;
  closed = 0;
  accepts(): boolean {
    return true;
  }
  connect(_connect: unknown, client: MqttClient): ReturnType<MqttService['connect']> {
    return Promise.resolve({
      sessionPresent: false,
      opened: () => void (this.opened += 1),
      subscribe: () => 1 as const,
      subscribed: (topicFilter: string) => {
        client.publish(topicFilter, Buffer.from('retained'), 1).catch(() => undefined);
      },
      unsubscribe: () => undefined,
      publish: () => undefined,
      closed: () => void (this.closed += 1),
    });
  }
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 4; turn += 1) await new Promise(setImmediate);
};

/** Plays bytes, then the client's end; everything has to be over and forgotten afterwards. */
async function play(chunks: readonly Uint8Array[]): Promise<void> {
  const clock = new FakeClock();
  const service = new Counter();
  const line = new Line();
  serveMqtt({
    stream: line,
    presentedChain: [],
    mqttServices: [service],
    log: () => undefined,
    now: clock.now,
    startTimer: clock.startTimer,
  });
  for (const chunk of chunks) {
    if (chunk.length > 0 && !line.destroyed) line.push(chunk);
    await new Promise(setImmediate);
  }
  if (!line.destroyed) line.push(null);
  await turns();
  expect(line.destroyed).toBe(true);
  expect(clock.delaysMs).toEqual([]);
  // A session that was accepted after the client's end hears of its end without having been opened.
  expect(service.closed).toBeLessThanOrEqual(1);
  expect(service.closed).toBeGreaterThanOrEqual(service.opened);
}

const id = fc.integer({ min: 1, max: 0xffff });
const topic = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' });
const payload = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
const qos = fc.constantFrom(0 as const, 1 as const, 2 as const);

const connect: fc.Arbitrary<Packet> = fc
  .record({ clientId: fc.string({ minLength: 1, maxLength: 30 }), username: topic, keepalive: fc.nat(0xffff) })
  .map((fields) => ({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, ...fields }));

const packet: fc.Arbitrary<Packet> = fc.oneof(
  connect,
  fc
    .record({ topic, payload, qos, messageId: id, retain: fc.boolean(), dup: fc.constant(false) })
    .map((fields) => ({ cmd: 'publish' as const, ...fields })),
  fc.record({ topic, qos, messageId: id }).map(({ messageId, ...subscription }) => ({
    cmd: 'subscribe' as const,
    messageId,
    subscriptions: [subscription],
  })),
  fc.record({ topic, messageId: id }).map(({ messageId, topic: filter }) => ({
    cmd: 'unsubscribe' as const,
    messageId,
    unsubscriptions: [filter],
  })),
  id.map((messageId) => ({ cmd: 'puback' as const, messageId })),
  id.map((messageId) => ({ cmd: 'pubrel' as const, messageId })),
  fc.constant<Packet>({ cmd: 'pingreq' }),
  fc.constant<Packet>({ cmd: 'disconnect' }),
);

/** Bytes of packets, cut where it hurts. */
const session = fc
  .record({
    first: connect,
    packets: fc.array(packet, { maxLength: 12 }),
    cut: fc.integer({ min: 1, max: 50 }),
  })
  .map(({ first, packets, cut }) => {
    const bytes = Buffer.concat([first, ...packets].map((each) => generate(each)));
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += cut) chunks.push(bytes.subarray(at, at + cut));
    return chunks;
  });

describe('whatever a client sends over MQTT, its connection ends and nothing of it stays', () => {
  it('ok: packets that are well formed, in any order and cut anywhere', async () => {
    await fc.assert(fc.asyncProperty(session, play), { numRuns: 300 });
  });

  it('ok: packets with bytes changed', async () => {
    const damaged = fc
      .tuple(session, fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 }))
      .map(([chunks, changes]) => {
        const copies = chunks.map((chunk) => Buffer.from(chunk));
        for (const [which, where, value] of changes) {
          const chunk = copies[which % copies.length];
          if (chunk && chunk.length > 0) chunk[where % chunk.length] = value;
        }
        return copies;
      });
    await fc.assert(fc.asyncProperty(damaged, play), { numRuns: 300 });
  });

  it('ok: bytes', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), play), {
      numRuns: 300,
    });
  });
});

describe('found by the fuzzer', () => {
  const connectBytes = generate({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    keepalive: 60,
    clientId: 'd1',
    username: 'h/d1',
  });

  it.each([
    ['SUBSCRIBE', '3.8.3-3', [0x82, 0x02, 0x00, 0x01]],
    ['UNSUBSCRIBE', '3.10.3-2', [0xa2, 0x02, 0x00, 0x01]],
  ])('fail: a %s without a topic filter [MQTT-%s] (it took the process down)', async (name, clause, bytes) => {
    const clock = new FakeClock();
    const log: string[] = [];
    const line = new Line();
    const service = new Counter();
    serveMqtt({
      stream: line,
      presentedChain: [],
      mqttServices: [service],
      log: (text) => log.push(text),
      now: clock.now,
      startTimer: clock.startTimer,
    });
    line.push(connectBytes);
    while (service.opened === 0) await new Promise(setImmediate);
    line.push(Buffer.from(bytes));
    while (service.closed === 0) await new Promise(setImmediate);
    expect(log).toEqual([`MQTT d1: connection ended: protocol error: ${name} without a topic filter [MQTT-${clause}]`]);
  });
});

describe('text that devices choose', () => {
  it('ok: any topic is understood or refused, never a surprise', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.string().map((text) => `devices/d1/messages/events/${text}`),
          fc.string().map((text) => `$iothub/twin/GET/?${text}`),
          fc.string().map((text) => `$iothub/methods/res/${text}`),
        ),
        (text) => {
          const publish = parseDevicePublish(text, { deviceId: 'd1', moduleId: undefined });
          expect(['telemetry', 'twinGet', 'reportedPatch', 'methodResponse', undefined]).toContain(publish?.kind);
          expect(['messages', 'twinResponses', 'desired', 'methods', undefined]).toContain(
            subscriptionKind(text, { deviceId: 'd1', moduleId: undefined }),
          );
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('ok: a property bag survives its own encoding; anything else decodes or is a URIError', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string({ minLength: 1, unit: 'grapheme' }), fc.option(fc.string({ unit: 'grapheme' })))),
        (entries) => {
          const bag = new Map(entries.filter(([key]) => !key.startsWith('?')));
          expect(decodePropertyBag(encodePropertyBag(bag))).toEqual(bag);
        },
      ),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        try {
          decodePropertyBag(text);
        } catch (error) {
          expect(error).toBeInstanceOf(URIError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
