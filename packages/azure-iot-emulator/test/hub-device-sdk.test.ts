import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createCertificate, withChain } from './hub-certificates.ts';
import { Program } from './hub-program.ts';
import { openHub, type HubTestBed } from './hub-test-bed.ts';

const timeoutMs = 20_000;
let bed: HubTestBed;
let programs: Program[];

beforeEach(async () => {
  bed = await openHub();
  programs = [];
});

afterEach(async () => {
  await Promise.all(programs.map((program) => program.stop()));
  await bed.close();
});

type Transport = 'Mqtt' | 'MqttWs';

/** MQTT honours a port in the host name; the WebSocket transport is fixed to 443, which the hook leads here. */
function hostName(transport: Transport): string {
  return transport === 'Mqtt' ? bed.hub.hostName : 'h1.azure-devices.localhost';
}

async function start(connectionString: string, transport: Transport): Promise<Program> {
  const program = await Program.start('./hub-device-program.mjs', {
    arguments: [connectionString, transport],
    rootPem: bed.identity.rootPem,
    port443: bed.port,
  });
  programs.push(program);
  return program;
}

async function startX509(
  transport: Transport,
  deviceId = 'thermostat-1',
): Promise<{ device: Program; certificate: { cert: string; key: string } }> {
  const own = await createCertificate(deviceId);
  bed.hub.provision({
    deviceId,
    thumbprints: { primary: own.thumbprintSha1, secondary: own.thumbprintSha1 },
    initialTwin: { tags: { line: '1' }, desired: { targetTemperature: 21 } },
  });
  const device = await start(`HostName=${hostName(transport)};DeviceId=${deviceId};x509=true`, transport);
  return { device, certificate: withChain(own) };
}

describe.each<Transport>(['Mqtt', 'MqttWs'])('azure-iot-device, unmodified, over %s', (transport) => {
  it('ok: telemetry arrives with its properties', async () => {
    const { device, certificate } = await startX509(transport);
    await device.ask('open', { certificate });
    expect(bed.hub.isConnected('thermostat-1')).toBe(true);
    const body = JSON.stringify({ temperature: 31.5, humidity: 60 });
    await device.ask('send', {
      body,
      properties: { temperatureAlert: 'true', 'odd key/ü&=': 'v%20?' },
      system: {
        messageId: 'm 1',
        correlationId: 'c/1',
        userId: 'u1',
        contentType: 'application/json',
        contentEncoding: 'utf-8',
      },
    });
    const [message] = bed.hub.telemetry.list();
    expect(Buffer.from(message!.body).toString()).toBe(body);
    expect(message).toMatchObject({ sequenceNumber: 1, deviceId: 'thermostat-1' });
    expect(message!.applicationProperties).toEqual({ temperatureAlert: 'true', 'odd key/ü&=': 'v%20?' });
    expect(message!.systemProperties).toEqual({
      'iothub-connection-device-id': 'thermostat-1',
      'iothub-connection-auth-method':
        '{"scope":"device","type":"x509Certificate","issuer":"external","acceptingIpFilterRule":null}',
      'iothub-connection-auth-generation-id': bed.hub.registry.require('thermostat-1').identity.generationId,
      'iothub-enqueuedtime': message!.enqueuedTimeMs,
      'iothub-message-source': 'Telemetry',
      'message-id': 'm 1',
      'correlation-id': 'c/1',
      'user-id': 'u1',
      'content-type': 'application/json',
      'content-encoding': 'utf-8',
    });
  });

  it('ok: twin read, desired change followed, reported properties written', async () => {
    const { device, certificate } = await startX509(transport);
    await device.ask('open', { certificate });
    await expect(device.ask('twin')).resolves.toEqual({
      desired: { targetTemperature: 21, $version: 1 },
      reported: { $version: 1 },
    });
    // The first event is the twin as it was read.
    await expect(device.next('desired')).resolves.toMatchObject({ desired: { targetTemperature: 21 } });
    // The client subscribes behind our back: what it sends later arrives later.
    await device.ask('send', { body: 'subscribed' });
    bed.hub.updateTwin(
      'thermostat-1',
      { properties: { desired: { targetTemperature: 24 } } },
      { mode: 'patch', precondition: 'none' },
    );
    await expect(device.next('desired')).resolves.toMatchObject({ desired: { targetTemperature: 24, $version: 2 } });
    await device.ask('report', { patch: { targetTemperature: { value: 24, ac: 200, av: 2 } } });
    expect(bed.hub.twinOf('thermostat-1')).toMatchObject({
      tags: { line: '1' },
      properties: { reported: { targetTemperature: { value: 24, ac: 200, av: 2 }, $version: 2 } },
    });
    await expect(device.ask('report', { patch: { 'bad.key': 1 } })).rejects.toThrow("key 'bad.key' in reported");
  });

  it('ok: a direct method is answered', async () => {
    const { device, certificate } = await startX509(transport);
    await device.ask('open', { certificate });
    await device.ask('method', { name: 'reboot', status: 202 });
    const response = await bed.hub.invokeMethod('thermostat-1', {
      methodName: 'reboot',
      payload: { delay: 5 },
      connectTimeoutSeconds: 20,
    });
    expect(response).toEqual({ status: 202, payload: { echo: { delay: 5 } } });
    await expect(device.next('method')).resolves.toMatchObject({ name: 'reboot', payload: { delay: 5 } });
  });

  it('ok: cloud-to-device messages wait for the device and are completed', async () => {
    const { device, certificate } = await startX509(transport);
    bed.hub.sendToDevice('thermostat-1', {
      body: Buffer.from('hello'),
      messageId: 'm1',
      correlationId: 'c/1',
      userId: 'u 1',
      contentType: 'text/plain',
      contentEncoding: 'utf-8',
      ack: 'full',
      properties: { 'a b': 'c=d&e', empty: '' },
    });
    await device.ask('open', { certificate });
    await device.ask('listen');
    await expect(device.next('message')).resolves.toEqual({
      event: 'message',
      body: 'hello',
      messageId: 'm1',
      to: '/devices/thermostat-1/messages/devicebound',
      correlationId: 'c/1',
      userId: 'u 1',
      contentType: 'text/plain',
      contentEncoding: 'utf-8',
      properties: { 'iothub-ack': 'full', 'a b': 'c=d&e', empty: '' },
    });
    const feedback = await bed.hub.feedback.waitFor(() => true, { timeoutMs });
    expect(feedback).toMatchObject({ originalMessageId: 'm1', statusCode: 'Success', deviceId: 'thermostat-1' });
    expect(bed.hub.twinOf('thermostat-1')).toMatchObject({ cloudToDeviceMessageCount: 0 });
  });

  it('ok: a connection that is cut comes back by itself and loses nothing', async () => {
    const { device, certificate } = await startX509(transport);
    await device.ask('open', { certificate });
    await device.ask('listen');
    // The client subscribes behind our back, and gives up for good where it is cut in the middle of that (EPIPE).
    await device.ask('send', { body: 'before' });
    expect(bed.hub.dropConnection('thermostat-1')).toBe(true);
    bed.hub.sendToDevice('thermostat-1', { body: Buffer.from('while you were away') });
    await expect(bed.hub.waitForConnection('thermostat-1', { timeoutMs })).resolves.toBe(true);
    await expect(device.next('message')).resolves.toMatchObject({ body: 'while you were away' });
    await device.ask('send', { body: 'after' });
    expect(bed.hub.telemetry.list().map(({ body }) => Buffer.from(body).toString())).toEqual(['before', 'after']);
  });

  it('ok: a device key opens the hub too', async () => {
    const key = Buffer.alloc(32, 7).toString('base64');
    bed.hub.provision({ deviceId: 'meter$1', symmetricKeys: { primary: key, secondary: key } });
    const device = await start(`HostName=${hostName(transport)};DeviceId=meter$1;SharedAccessKey=${key}`, transport);
    await device.ask('open');
    await device.ask('send', { body: 'x' });
    const [message] = bed.hub.telemetry.list();
    expect(message!.deviceId).toBe('meter$1');
    expect(message!.systemProperties['iothub-connection-auth-method']).toContain('"type":"sas","issuer":"iothub"');
  });

  it('fail: a wrong certificate, a disabled and an unknown device become UnauthorizedError', async () => {
    const { device } = await startX509(transport);
    const wrong = withChain(await createCertificate('thermostat-1'));
    await expect(device.ask('open', { certificate: wrong, noRetry: true })).rejects.toThrow('Not authorized');
    expect(bed.log.join('\n')).toContain("is none of the identity's thumbprints");

    const second = await startX509(transport, 'thermostat-2');
    const registered = bed.hub.registry.require('thermostat-2');
    bed.hub.registry.update(registered, { status: 'disabled' });
    await expect(second.device.ask('open', { certificate: second.certificate, noRetry: true })).rejects.toThrow(
      'Not authorized',
    );

    const third = await startX509(transport, 'thermostat-3');
    bed.hub.remove('thermostat-3');
    await expect(third.device.ask('open', { certificate: third.certificate, noRetry: true })).rejects.toThrow(
      'Not authorized',
    );
  });
});
