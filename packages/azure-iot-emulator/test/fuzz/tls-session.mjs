// A device's whole TLS session with some of its bytes changed on their way: the changes meet a live handshake, its
// certificates, its key exchange, or the records behind it, and not only the first thing that a server reads.
import { connect } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { generate } from 'mqtt-packet';
import { createRandom, mutateChunks } from './mutation.mjs';

/** Writes to a socket, and changes the writes that it is told to. */
class ChangingWire extends Duplex {
  #socket;
  #writes = 0;
  #target;
  #random;

  constructor(socket, target, random) {
    super();
    this.#socket = socket;
    this.#target = target;
    this.#random = random;
    socket.on('data', (chunk) => this.push(chunk));
    socket.on('end', () => this.push(null));
    socket.on('close', () => this.destroy());
    socket.on('error', () => this.destroy());
  }

  _read() {}

  _write(chunk, _encoding, done) {
    const isMeant = this.#writes >= this.#target;
    this.#writes += 1;
    const chunks = isMeant ? mutateChunks([Buffer.from(chunk)], this.#random) : [chunk];
    for (const piece of chunks) this.#socket.write(piece);
    done();
  }

  _final(done) {
    this.#socket.end();
    done();
  }

  _destroy(error, done) {
    this.#socket.destroy();
    done(error);
  }
}

/**
 * Plays case `number`. The same seed changes the same places; keys and random numbers of the handshake are new each time.
 * Resolves when the emulator has let go of the connection, or its client has.
 */
export function playTls({ azure, seed, number, timeoutMs }) {
  const random = createRandom((seed ^ Math.imul(number + 1, 0x9e3779b1)) >>> 0);
  // ClientHello; certificate, key exchange and proof; what is inside.
  const target = random.below(5);
  const hasCertificate = random.below(4) > 0;
  const socket = connect({ host: '127.0.0.1', port: azure.tlsPort, noDelay: true });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`case ${number}: a TLS session is open ${timeoutMs / 1000} s after its beginning`));
    }, timeoutMs);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
    const wire = new ChangingWire(socket, target, random);
    wire.on('error', () => undefined);
    const secure = connectTls({
      socket: wire,
      servername: random.pick(['localhost', 'fuzz-hub.azure-devices.net', 'x'.repeat(200)]),
      rejectUnauthorized: false,
      ...(hasCertificate && { cert: azure.device.cert, key: azure.device.key }),
      ...(random.below(4) === 0 && { ALPNProtocols: ['http/1.1', 'mqtt'] }),
    });
    secure.on('error', () => socket.destroy());
    secure.on('close', () => socket.destroy());
    secure.on('secureConnect', () => {
      for (const packet of inside(azure)) secure.write(packet);
      secure.end();
    });
    secure.resume();
    // A changed length leaves both sides waiting; the client is the one to go.
    setTimeout(() => socket.destroy(), 250).unref();
  });
}

function inside({ hubHost }) {
  const clientId = 'fuzz-device';
  const username = `${hubHost}/${clientId}/?api-version=2021-04-12`;
  const topic = `devices/${clientId}/messages/events/`;
  return [
    generate({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      clientId,
      username,
      keepalive: 60,
    }),
    generate({ cmd: 'publish', topic, payload: 'over TLS', qos: 1, messageId: 1 }),
    generate({ cmd: 'pingreq' }),
  ];
}
