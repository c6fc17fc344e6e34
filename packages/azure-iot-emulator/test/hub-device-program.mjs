// A device as Microsoft's documents show it: azure-iot-device with its MQTT transport, nothing of the emulator. What it is
// told comes over the process channel, what happens goes back the same way.
import common from 'azure-iot-common';
import deviceSdk from 'azure-iot-device';
import mqttTransports from 'azure-iot-device-mqtt';

const { Client, Message, ModuleClient } = deviceSdk;
const [connectionString, transport] = process.argv.slice(2);
const kind = connectionString.includes('ModuleId=') ? ModuleClient : Client;
const client = kind.fromConnectionString(connectionString, mqttTransports[transport]);

const tell = (event, details = {}) => process.send({ event, ...details });

client.on('error', (error) => tell('error', { name: error.name, message: error.message }));
client.on('connect', () => tell('connect'));
client.on('disconnect', () => tell('disconnect'));

function propertiesOf(message) {
  const { propertyList } = message.properties;
  return Object.fromEntries(propertyList.map(({ key, value }) => [key, value]));
}

const commands = {
  async open({ certificate, noRetry }) {
    if (noRetry) client.setRetryPolicy(new common.NoRetry());
    if (certificate) await client.setOptions(certificate);
    await client.open();
  },
  async send({ body, properties, system }) {
    const message = new Message(body);
    for (const [key, value] of Object.entries(properties ?? {})) message.properties.add(key, value);
    Object.assign(message, system);
    await client.sendEvent(message);
  },
  async listen() {
    client.on('message', (message) => {
      tell('message', {
        body: message.getData().toString(),
        messageId: message.messageId,
        to: message.to,
        correlationId: message.correlationId,
        userId: message.userId,
        contentType: message.contentType,
        contentEncoding: message.contentEncoding,
        properties: propertiesOf(message),
      });
      void client.complete(message);
    });
  },
  async method({ name, status }) {
    const listen = (client.onDeviceMethod ?? client.onMethod).bind(client);
    listen(name, (request, response) => {
      tell('method', { name: request.methodName, payload: request.payload });
      if (status !== undefined) void response.send(status, { echo: request.payload });
    });
  },
  async twin() {
    commands.currentTwin = await client.getTwin();
    commands.currentTwin.on('properties.desired', (desired) => tell('desired', { desired }));
    return commands.currentTwin.properties;
  },
  report({ patch }) {
    return new Promise((resolve, reject) => {
      commands.currentTwin.properties.reported.update(patch, (error) => (error ? reject(error) : resolve()));
    });
  },
  async close() {
    await client.close();
  },
};

process.on('message', ({ id, command, ...parameters }) => {
  commands[command](parameters)
    .then((result) => process.send({ id, result: result ?? null }))
    .catch((error) => process.send({ id, error: { name: error.name, message: error.message } }));
});
tell('ready');
