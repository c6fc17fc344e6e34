import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { Aedes } from 'aedes';
import { serverOptions } from './emulator-tls.ts';

const broker = await Aedes.createBroker();
const server = createServer(serverOptions(), (socket) => void broker.handle(socket));
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('message', () => {
  globalThis.gc?.();
  process.send?.({ done: true });
});
process.once('disconnect', () => process.exit(0));
