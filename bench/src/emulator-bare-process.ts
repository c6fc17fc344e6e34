import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { generate, parser } from 'mqtt-packet';
import { serverOptions } from './emulator-tls.ts';

// The least that a server on Node can do: mutual TLS, mqtt-packet, an acknowledgement for every message, nothing kept.
const server = createServer(serverOptions(), (socket) => {
  const packets = parser();
  packets.on('packet', (packet) => {
    if (packet.cmd === 'connect') socket.write(generate({ cmd: 'connack', returnCode: 0, sessionPresent: false }));
    else if (packet.cmd === 'publish') socket.write(generate({ cmd: 'puback', messageId: packet.messageId ?? 0 }));
  });
  socket.on('data', (chunk: Buffer) => {
    // One record for all acknowledgements of what was read at once.
    socket.cork();
    packets.parse(chunk);
    socket.uncork();
  });
  socket.on('error', () => undefined);
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('message', () => {
  globalThis.gc?.();
  process.send?.({ done: true });
});
process.once('disconnect', () => process.exit(0));
