import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { generate } from 'mqtt-packet';
import type { Connection, LoadAnswer, LoadCommand, Place, Registration } from './emulator-load.ts';

// The load generator, a process of its own. Its inner loop builds no packets and parses
// none: packets are templates, acknowledgements are counted by their four bytes.

interface Device {
  readonly socket: TLSSocket;
  readonly template: Buffer;
  /** Called with the number of acknowledgements in what was just read. */
  acknowledged: (count: number) => void;
  /** Bytes of an acknowledgement that isn't complete yet. */
  rest: number;
}

const devices: Device[] = [];
const idLength = 2;

/** Parsing a key costs as much as using it; ten thousand connections may share one. */
const contexts = new Map<string, SecureContext>();

function contextOf(ca: string, { cert, key }: Connection): SecureContext {
  const name = `${ca}${key}`;
  const known = contexts.get(name);
  if (known) return known;
  const context = createSecureContext({ ca, cert, key });
  if (contexts.size > 1000) contexts.clear();
  contexts.set(name, context);
  return context;
}

async function handshake(place: Place, credential: Connection): Promise<TLSSocket> {
  const { port, servername, ca } = place;
  const secureContext = contextOf(ca, credential);
  for (let attempt = 1; ; attempt += 1) {
    const socket = connect({ host: '127.0.0.1', port, servername, secureContext });
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('secureConnect', resolve);
        socket.once('error', reject);
        socket.once('close', () => reject(new Error('closed in the handshake')));
      });
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      return socket;
    } catch (error) {
      socket.destroy();
      if (attempt === 5) throw error;
      await delay(50 * attempt);
    }
  }
}

/** A handshake, CONNECT, and CONNACK. */
async function open(place: Place, credential: Connection): Promise<TLSSocket> {
  const socket = await handshake(place, credential);
  const { clientId, username } = credential;
  const answered = new Promise<Buffer>((resolve, reject) => {
    socket.once('data', resolve);
    socket.once('close', () => reject(new Error(`${clientId}: the connection was closed before CONNACK`)));
  });
  socket.write(
    generate({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      keepalive: 1100,
      clientId,
      username,
    }),
  );
  const connack = await answered;
  if (connack[0] !== 0x20 || connack[3] !== 0) throw new Error(`${clientId} was refused: ${connack.toString('hex')}`);
  return socket;
}

function addDevice(socket: TLSSocket, { clientId }: Connection): void {
  const payload = JSON.stringify({ device: clientId, number: '00000000', temperature: 21.5, humidity: 40 });
  const topic = `devices/${clientId}/messages/events/`;
  const template = generate({ cmd: 'publish', topic, payload, qos: 1, messageId: 1, dup: false, retain: false });
  const device: Device = { socket, template, acknowledged: () => undefined, rest: 0 };
  socket.on('data', (chunk: Buffer) => {
    const bytes = device.rest + chunk.length;
    device.rest = bytes % 4;
    device.acknowledged(Math.floor(bytes / 4));
  });
  devices.push(device);
}

function runDevice(device: Device, first: number, { messages, inFlight }: { messages: number; inFlight: number }) {
  const { template, socket } = device;
  const idAt = template.indexOf('/events/') + '/events/'.length;
  const numberAt = template.indexOf('00000000', idAt + idLength);
  // Packet identifiers start anew with every run: nothing is in flight between runs.
  let sent = 0;
  let acknowledged = 0;
  const send = (count: number): void => {
    const bytes = Buffer.allocUnsafe(template.length * count);
    for (let index = 0; index < count; index += 1) {
      const at = index * template.length;
      template.copy(bytes, at);
      sent += 1;
      bytes.writeUInt16BE(sent, at + idAt);
      bytes.write(String(first + sent).padStart(8, '0'), at + numberAt, 8, 'latin1');
    }
    socket.write(bytes);
  };
  return new Promise<void>((resolve, reject) => {
    const fail = (): void => reject(new Error('a connection was closed under load'));
    socket.once('close', fail);
    device.acknowledged = (count) => {
      acknowledged += count;
      if (acknowledged >= messages) {
        socket.off('close', fail);
        resolve();
      } else if (sent < messages) send(Math.min(count, messages - sent));
    };
    send(Math.min(inFlight, messages));
  });
}

/** DPS over MQTT as a device does it, QoS 1; a poll where the answer says that it goes on. */
async function register(place: Place, credential: Registration): Promise<void> {
  const socket = await open(place, credential);
  const { registrationId } = credential;
  const publish = (topic: string, payload: string): Buffer =>
    generate({ cmd: 'publish', topic, payload, qos: 0, messageId: 0, dup: false, retain: false });
  const answers = new Promise<void>((resolve, reject) => {
    let text = '';
    let polls = 0;
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      const operationId = /"operationId":"([^"]+)","status":"assigning"\}/.exec(text)?.[1];
      if (/"status":"assigned"/.test(text)) resolve();
      else if (/\/res\/4\d\d/.test(text)) reject(new Error(`DPS answered ${text}`));
      else if (operationId) {
        text = '';
        polls += 1;
        socket.write(
          publish(
            `$dps/registrations/GET/iotdps-get-operationstatus/?$rid=${polls + 1}&operationId=${operationId}`,
            ' ',
          ),
        );
      }
    });
    socket.once('close', () =>
      reject(new Error(`${registrationId}: the connection was closed before it was assigned`)),
    );
  });
  socket.write(
    Buffer.concat([
      generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '$dps/registrations/res/#', qos: 0 }] }),
      publish('$dps/registrations/PUT/iotdps-register/?$rid=1', JSON.stringify({ registrationId })),
    ]),
  );
  await answers;
  socket.destroy();
}

async function inParallel<T>(items: readonly T[], lanes: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items].reverse();
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) await work(item);
    }),
  );
}

async function run(command: LoadCommand): Promise<void> {
  switch (command.do) {
    case 'connect':
      return inParallel(command.connections, 32, async (credential) => {
        addDevice(await open(command.place, credential), credential);
      });
    case 'send':
      await Promise.all(devices.map((device) => runDevice(device, command.first, command)));
      return;
    case 'handshake':
      return inParallel(command.connections, command.lanes, async (credential) => {
        (await handshake(command.place, credential)).destroy();
      });
    case 'reconnect':
      return inParallel(command.connections, command.lanes, async (credential) => {
        (await open(command.place, credential)).destroy();
      });
    case 'register':
      return inParallel(command.registrations, command.lanes, (credential) => register(command.place, credential));
    case 'disconnect':
      for (const { socket } of devices.splice(0)) socket.destroy();
  }
}

async function answer(command: LoadCommand): Promise<LoadAnswer> {
  const cpu = process.cpuUsage();
  const started = performance.now();
  try {
    await run(command);
    const ms = performance.now() - started;
    const { user, system } = process.cpuUsage(cpu);
    return { ms, cpuMs: (user + system) / 1000 };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

const lines = createInterface({ input: process.stdin });
for await (const line of lines) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line) as LoadCommand))}\n`);
}
process.exit(0);
