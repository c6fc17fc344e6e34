import { describe, expect, it } from '@jest/globals';
import type { Packet } from 'mqtt-packet';
import { mqttTrace } from '../src/trace/mqtt-trace.ts';
import { requestWords } from '../src/trace/request-words.ts';
import { deliveryWords, filterWords, publishWords } from '../src/trace/topic-words.ts';
import { plainText } from '../src/plain-text.ts';
import { errorMessage } from '../src/trace/trace-text.ts';

describe('topics in plain words', () => {
  it.each([
    ['devices/d1/messages/events/%24.mid=1', 'sends telemetry'],
    ['devices/d1/modules/m1/messages/events/', 'sends telemetry of module m1'],
    ['$iothub/twin/GET/?$rid=7', 'asks for its twin (request 7)'],
    ['$iothub/twin/PATCH/properties/reported/?$rid=8', 'reports properties (request 8)'],
    ['$iothub/methods/res/200/?$rid=1', 'answers method call 1 with status 200'],
    ['$dps/registrations/PUT/iotdps-register/?$rid=1', 'asks DPS to register it (request 1)'],
    [
      '$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=x',
      'asks DPS how its registration stands (request 2)',
    ],
    ['a/b', 'publishes to a/b, which is no topic of DPS or IoT Hub'],
  ])('ok: %s', (topic, words) => {
    expect(publishWords(topic)).toBe(words);
  });

  it.each([
    ['devices/d1/messages/devicebound/%24.mid=1', '', 'brings a cloud-to-device message'],
    ['$iothub/twin/res/200/?$rid=1', '{}', 'answers twin request 1 with 200'],
    ['$iothub/twin/res/400/?$rid=1', '{"message":"too deep"}', 'answers twin request 1 with 400: refused: too deep'],
    ['$iothub/twin/res/500/?$rid=1', '', 'answers twin request 1 with 500: refused: no reason given'],
    ['$iothub/twin/PATCH/properties/desired/?$version=3', '{}', 'tells of changed desired properties, now version 3'],
    ['$iothub/methods/POST/reboot/?$rid=1', '{}', 'calls method reboot (call 1)'],
    [
      '$dps/registrations/res/401/?$rid=1',
      '{"message":"Invalid certificate."}',
      'answers DPS request 1 with 401: refused: Invalid certificate.',
    ],
    ['x', '', 'brings x'],
  ])('ok: %s %s', (topic, payload, words) => {
    expect(deliveryWords(topic, Buffer.from(payload))).toBe(words);
  });

  it.each([
    ['devices/d1/messages/devicebound/#', 'cloud-to-device messages'],
    ['devices/d1/modules/m1/#', 'cloud-to-device messages'],
    ['$iothub/methods/POST/#', 'direct methods'],
    ['x/#', 'x/#'],
  ])('ok: the filter %s', (filter, words) => {
    expect(filterWords(filter)).toBe(words);
  });
});

describe('packets in plain words', () => {
  function trace(packets: readonly Packet[]): string[] {
    const lines: string[] = [];
    const connection = mqttTrace((line) => lines.push(line))();
    for (const packet of packets) connection.received(packet);
    return lines;
  }

  it('ok: CONNECT, without its password', () => {
    const connect = {
      cmd: 'connect',
      clientId: 'd1',
      username: 'h1/d1/?api-version=1&SharedAccessSignature sr=a&sig=SECRET1&se=1',
      password: Buffer.from('SharedAccessSignature sr=a&sig=SECRET2&se=1'),
      keepalive: 60,
      clean: true,
      protocolVersion: 4,
    } as const;
    const [line] = trace([connect]);
    expect(line).toContain('MQTT from d1: CONNECT: asks to be let in as d1 with the user name h1/d1/?api-version=1');
    expect(line).toContain('with a token, clean session, keep-alive 60 s');
    expect(line).not.toMatch(/SECRET/);
  });

  it('ok: what no client of Azure sends', () => {
    expect(trace([{ cmd: 'pubrec', messageId: 1 }])).toEqual([
      'MQTT from a new client: PUBREC: nothing that a client of DPS or IoT Hub sends',
    ]);
  });
});

describe('requests in plain words', () => {
  it.each([
    ['GET', 'h1.azure-devices.net', '/twins/d%201', 'reads the twin of d 1'],
    ['PATCH', 'h1.azure-devices.localhost:1', '/twins/d1/modules/m1', 'changes the twin of d1/modules/m1'],
    ['POST', 'h1.azure-devices.net', '/devices/query', 'queries twins'],
    ['POST', 'h1.azure-devices.net', '/twins/d1/methods', 'calls a method on d1'],
    ['PUT', 'd.azure-devices-provisioning.net', '/enrollmentGroups/g', 'creates or changes enrollment g'],
    [
      'PUT',
      'global.azure-devices-provisioning.net',
      '/0ne0/registrations/d1/register',
      'device d1 asks to be registered',
    ],
    ['POST', 'localhost:1', '/t/oauth2/v2.0/token', 'asks for an access token'],
    [
      'PUT',
      'localhost',
      '/subscriptions/s/resourceGroups/g/providers/Microsoft.Devices/IotHubs/h1',
      'creates or changes resource h1',
    ],
    ['GET', 'elsewhere', '/', undefined],
    ['GET', 'h1.azure-devices.net', '/unknown', undefined],
  ])('ok: %s %s%s', (method, host, path, words) => {
    expect(requestWords(method, host, path)).toBe(words);
  });
});

describe('text from outside', () => {
  it.each([
    ['SharedAccessSignature sr=x&sig=abc%3D&se=1', 'SharedAccessSignature ***'],
    ['HostName=h;SharedAccessKeyName=k;SharedAccessKey=abc=', 'HostName=h;SharedAccessKeyName=k;SharedAccessKey=***'],
    ['Bearer eyJ.x.y', 'Bearer ***'],
    ['{"primaryKey":"abc","a":1}', '{"primaryKey":"***","a":1}'],
    ['a\nb\u001b[31m', 'a?b?[31m'],
    ['x'.repeat(301), `${'x'.repeat(300)}...`],
  ])('ok: %j', (text, plain) => {
    expect(plainText(text)).toBe(plain);
  });

  it.each([
    ['{"Message":"a"}', 'a'],
    ['{"error":{"message":"b"}}', 'b'],
    ['{"error":"invalid","error_description":"c"}', 'c'],
    ['{"errorCode":1,"message":"d"}', 'd'],
    ['{}', undefined],
    ['<html>', undefined],
  ])('ok: the message of %s', (body, message) => {
    expect(errorMessage(body)).toBe(message);
  });
});
