// The emulator under fuzz, in a process of its own. Its doors are the real ones; one more leads past TLS: what comes in
// there is handed to the real TLS server as a connection whose handshake is over, with the fuzz device's certificate.
import { createServer } from 'node:net';
import { syncBuiltinESMExports } from 'node:module';
import tls from 'node:tls';
import { X509Certificate } from 'node:crypto';

const failures = [];
process.on('unhandledRejection', (error) => failures.push(`unhandled rejection: ${error?.stack ?? error}`));
process.on('uncaughtException', (error) => failures.push(`uncaught exception: ${error?.stack ?? error}`));

const servers = [];
const createTlsServer = tls.createServer;
tls.createServer = (...args) => {
  const server = createTlsServer(...args);
  servers.push(server);
  return server;
};
Object.defineProperty(tls.TLSSocket, Symbol.hasInstance, {
  value: (socket) => typeof socket?.getPeerX509Certificate === 'function',
});
syncBuiltinESMExports();

const { startFuzzAzure } = await import('./azure.mjs');
const azure = await startFuzzAzure();
const certificate = new X509Certificate(azure.device.cert);
const door = createServer({ noDelay: true }, (socket) => {
  socket.getPeerX509Certificate = () => certificate;
  servers[0].emit('secureConnection', socket);
});
door.listen(0, '127.0.0.1', () => {
  const { emulator, device, idScope, authorizations } = azure;
  process.send({
    port: door.address().port,
    tlsPort: emulator.mqttPort,
    hubHost: azure.hub.hostName,
    ca: emulator.cloud.trustedRootsPem,
    subscription: emulator.subscriptionId,
    tenant: emulator.tenantId,
    device,
    idScope,
    authorizations,
  });
});

/** Half of the time every request and packet is looked at for a fault, which meets nobody. */
let endFault;

process.on('message', () => {
  if (endFault) endFault();
  endFault = endFault ? undefined : azure.emulator.faults.add({ kind: 'drop', deviceId: 'nobody' });
  globalThis.gc();
  globalThis.gc();
  const resources = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
  process.send({
    failures: failures.splice(0),
    sockets: (resources.TCPSocketWrap ?? 0) + (resources.TLSWrap ?? 0),
    timers: resources.Timeout ?? 0,
    heapMiB: (heapUsed + external + arrayBuffers) / 2 ** 20,
    residentMiB: rss / 2 ** 20,
    accepted: azure.hub.telemetry.lastSequenceNumber,
  });
});
process.once('disconnect', () => process.exit(0));
