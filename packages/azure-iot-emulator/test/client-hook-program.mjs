/* global fetch */
// Every way in which a program may reach a host, with Azure's names and ports in it.
import { lookup } from 'node:dns';
import promises from 'node:dns/promises';
import { once } from 'node:events';
import { createServer, get as httpGet } from 'node:http';
import { get } from 'node:https';
import net from 'node:net';
import { json, text } from 'node:stream/consumers';
import tls from 'node:tls';
import { promisify } from 'node:util';

const url = 'https://management.azure.com/subscriptions?api-version=2021-01-01';
const answerOf = async (answer) => {
  const [response] = await once(answer, 'response');
  return [response.statusCode, (await json(response)).error?.code];
};
const fetched = await fetch(url);
const socket = net.connect(443, 'some-dps.azure-devices-provisioning.net');
await once(socket, 'connect');
const portBehind = async (port) => {
  const secure = tls.connect({ host: 'some-hub.azure-devices.net', port, servername: 'some-hub.azure-devices.net' });
  await once(secure, 'secureConnect');
  const { remotePort } = secure;
  secure.destroy();
  return remotePort;
};
const own = createServer((_request, response) => response.end('an own server')).listen(0, '127.0.0.1');
await once(own, 'listening');
const [ownAnswer] = await once(httpGet(`http://some.name.localhost:${own.address().port}`), 'response');
const strange = tls.connect({ host: 'some-hub.azure-devices.net', port: 443, servername: 'example.com' });
const [refusal] = await once(strange, 'error');
const result = {
  fetch: [fetched.status, (await fetched.json()).error.code],
  https: await answerOf(get(url)),
  socket: socket.remoteAddress,
  mqttPort: await portBehind(8883),
  amqp: await portBehind(5671).catch(({ message }) => message),
  lookup: (await promisify(lookup)('global.azure-devices-provisioning.net')).address,
  promisedLookup: (await promises.lookup('my-hub.azure-devices.localhost')).address,
  localName: (await fetch('https://my-hub.azure-devices.localhost:443/devices/x?api-version=2021-04-12')).status,
  own: await text(ownAnswer),
  tlsName: refusal.code,
};
socket.destroy();
own.close();
process.stdout.write(JSON.stringify(result));
