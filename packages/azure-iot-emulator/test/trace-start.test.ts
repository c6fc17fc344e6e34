import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type AzureIotEmulator, startAzureIot } from '../src/start.ts';
import { RawClient } from './mqtt-raw-client.ts';

let emulator: AzureIotEmulator;
let lines: string[];

beforeEach(async () => {
  lines = [];
  emulator = await startAzureIot({ trace: (line) => lines.push(line) });
});

afterEach(() => emulator.close());

/** Sends an HTTP/1.1 request as it stands; gives the whole answer. */
function exchange(head: readonly string[], body = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host: '127.0.0.1',
      port: emulator.httpsPort,
      ca: emulator.cloud.trustedRootsPem,
      servername: 'localhost',
    });
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('end', () => resolve(Buffer.concat(chunks).toString()));
    socket.write([...head, 'Connection: close', `Content-Length: ${body.length}`, '', body].join('\r\n'));
  });
}

describe('startAzureIot with trace', () => {
  it('ok: a packet and a request a line, with the reason of each refusal and no secret', async () => {
    const client = await RawClient.overTls({
      port: emulator.mqttPort,
      ca: emulator.cloud.trustedRootsPem,
      servername: 'localhost',
    });
    const username = `h1.azure-devices.localhost:${emulator.mqttPort}/d1/?api-version=2021-04-12`;
    await client.connect({
      clientId: 'd1',
      username,
      password: Buffer.from('SharedAccessSignature sr=a&sig=SECRET&se=1'),
    });
    await client.ended;
    expect(lines).toEqual([
      `MQTT from d1: CONNECT: asks to be let in as d1 with the user name ${username}, with a token, clean session, keep-alive 60 s`,
      `MQTT to d1: CONNACK: refused with 5 (not authorized): there is no hub h1.azure-devices.localhost:${emulator.mqttPort}`,
    ]);
    lines = [];
    const host = `localhost:${emulator.httpsPort}`;
    const secret = `client_id=x&client_secret=SECRET&grant_type=client_credentials`;
    await exchange(
      [
        `POST /${emulator.tenantId}/oauth2/v2.0/token HTTP/1.1`,
        `Host: ${host}`,
        'Content-Type: application/x-www-form-urlencoded',
      ],
      secret,
    );
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(
      `HTTP POST https://${host}/${emulator.tenantId}/oauth2/v2.0/token: asks for an access token: 4`,
    );
    expect(lines[0]).toContain('refused: AADSTS');
    expect(lines.join()).not.toContain('SECRET');
  });

  it('ok: a DPS session, from CONNECT to DISCONNECT', async () => {
    const client = await RawClient.overTls({
      port: emulator.mqttPort,
      ca: emulator.cloud.trustedRootsPem,
      servername: 'localhost',
    });
    await client.connect({ clientId: 'd1', username: '0ne00000000/registrations/d1/api-version=2019-03-31' });
    await client.subscribe('$dps/registrations/res/#');
    await client.subscribe('elsewhere/#', 1, 2);
    await client.publish('$dps/registrations/PUT/iotdps-register/?$rid=1', '{"registrationId":"d1"}', 3);
    await client.next('publish');
    client.send({ cmd: 'disconnect' });
    await client.ended;
    expect(lines.slice(1, 7)).toEqual([
      'MQTT to d1: CONNACK: let in, a new session',
      "MQTT from d1: SUBSCRIBE 1: wants DPS's answers (QoS 1)",
      'MQTT to d1: SUBACK 1: granted with QoS 1',
      'MQTT from d1: SUBSCRIBE 2: wants elsewhere/# (QoS 1)',
      'MQTT to d1: SUBACK 2: refused: elsewhere/#: DPS grants $dps/registrations/res/# alone',
      'MQTT from d1: PUBLISH 3 (QoS 1, 23 bytes): asks DPS to register it (request 1)',
    ]);
    // Which of the two comes first is DPS's affair.
    expect(lines.slice(7, 9)).toEqual(
      expect.arrayContaining([
        'MQTT to d1: PUBACK 3: the message is taken',
        expect.stringMatching(/^MQTT to d1: PUBLISH \(QoS 0, \d+ bytes\): answers DPS request 1 with 401: refused: /),
      ]),
    );
    expect(lines.slice(9)).toEqual(['MQTT from d1: DISCONNECT: says goodbye', 'MQTT with d1: connection ended']);
  });
});

describe('requests that another site’s page made a browser send', () => {
  const request = (...headers: readonly string[]): Promise<string> =>
    exchange(['GET /emulator/health HTTP/1.1', ...headers]);
  const own = (): string => `localhost:${emulator.httpsPort}`;

  it.each<[string, () => string[]]>([
    ['a foreign Origin', () => [`Host: ${own()}`, 'Origin: https://evil.example']],
    ['another port as Origin', () => [`Host: ${own()}`, 'Origin: https://localhost:1']],
    ['plain http as Origin', () => [`Host: ${own()}`, `Origin: http://${own()}`]],
    ['Origin null', () => [`Host: ${own()}`, 'Origin: null']],
    ['Sec-Fetch-Site cross-site', () => [`Host: ${own()}`, 'Sec-Fetch-Site: cross-site']],
    ['Sec-Fetch-Site same-site', () => [`Host: ${own()}`, 'Sec-Fetch-Site: same-site']],
    ['a hub’s name with a foreign Origin', () => ['Host: h1.azure-devices.net', 'Origin: https://evil.example']],
  ])('fail: %s', async (_what, headers) => {
    const answer = await request(...headers());
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(answer).toContain('"code":"ForeignOrigin"');
    expect(lines.at(-1)).toContain('403, refused: The emulator answers no requests of web pages from elsewhere');
  });

  it.each(['evil.example', 'evil.example:443', 'localhost.evil.example', 'azure-devices.net.evil.example'])(
    'fail: DNS rebinding, Host %s',
    async (host) => {
      await expect(request(`Host: ${host}`, `Origin: https://${host}`)).resolves.toMatch(/^HTTP\/1\.1 421 /);
    },
  );

  it.each<[string, () => string[]]>([
    ['no browser’s header', () => [`Host: ${own()}`]],
    ['its own origin', () => [`Host: ${own()}`, `Origin: https://${own()}`, 'Sec-Fetch-Site: same-origin']],
    ['an address that somebody typed', () => [`Host: ${own()}`, 'Sec-Fetch-Site: none']],
  ])('ok: %s', async (_what, headers) => {
    const answer = await exchange(['GET /common/discovery/instance HTTP/1.1', ...headers()]);
    expect(answer).not.toMatch(/^HTTP\/1\.1 4(?:03|21) /);
  });
});
