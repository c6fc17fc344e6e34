import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createWebSocketStream, WebSocket } from 'ws';
import { listenTls, type TlsListener } from '../src/tls/listener.ts';
import { createCertificate, withChain } from './hub-certificates.ts';
import { openHub, serverIdentity, type HubTestBed } from './hub-test-bed.ts';
import { RawClient } from './mqtt-raw-client.ts';

let bed: HubTestBed;

beforeEach(async () => {
  bed = await openHub();
});

afterEach(() => bed.close());

function webSocket(path: string, protocols: string[], tls: object = {}): WebSocket {
  return new WebSocket(`wss://127.0.0.1:${bed.port}${path}`, protocols, {
    ca: bed.identity.rootPem,
    ...tls,
  });
}

/** Status and text of an upgrade that was refused. */
async function refusal(socket: WebSocket): Promise<[number | undefined, string]> {
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  return [response.statusCode, text];
}

describe('MQTT over WebSocket', () => {
  it('ok: a page’s origin that is the host itself, as paho sends it; fail: another site’s', async () => {
    const withOrigin = (origin: string): WebSocket => webSocket('/$iothub/websocket', ['mqtt'], { origin });
    const own = withOrigin(`https://127.0.0.1:${bed.port}`);
    await once(own, 'open');
    own.terminate();
    const [status, text] = await refusal(withOrigin('https://elsewhere.example'));
    expect([status, text]).toEqual([403, expect.stringContaining("comes from 'https://elsewhere.example'")]);
  });

  it.each(['/$iothub/websocket', '/$iothub/websocket?iothub-no-client-cert=true', '/%24iothub/websocket'])(
    'ok: a device with a certificate talks MQTT at %s',
    async (path) => {
      const device = await createCertificate('d1');
      bed.hub.provision({
        deviceId: 'd1',
        thumbprints: { primary: device.thumbprintSha256, secondary: device.thumbprintSha256 },
      });
      const socket = webSocket(path, ['mqtt'], withChain(device));
      await once(socket, 'open');
      expect(socket.protocol).toBe('mqtt');
      const client = new RawClient(createWebSocketStream(socket));
      await expect(client.connect({ clientId: 'd1', username: bed.username('d1') })).resolves.toMatchObject({
        returnCode: 0,
      });
      await client.publish('devices/d1/messages/events/', Buffer.alloc(200_000, 'x'));
      expect(bed.hub.telemetry.list()[0]!.body).toHaveLength(200_000);
      expect(bed.hub.dropConnection('d1')).toBe(true);
      await client.ended;
      expect(bed.hub.isConnected('d1')).toBe(false);
    },
  );

  it('ok: the hub notices a WebSocket that is closed or torn down', async () => {
    const device = await createCertificate('d1');
    const thumbprints = { primary: device.thumbprintSha1, secondary: device.thumbprintSha1 };
    bed.hub.provision({ deviceId: 'd1', thumbprints });
    for (const end of ['close', 'terminate'] as const) {
      const socket = webSocket('/$iothub/websocket', ['mqtt'], withChain(device));
      await once(socket, 'open');
      const client = new RawClient(createWebSocketStream(socket));
      await client.connect({ clientId: 'd1', username: bed.username('d1') });
      const gone = bed.hub.waitForDisconnection('d1', { timeoutMs: 10_000 });
      socket[end]();
      await expect(gone).resolves.toBe(true);
    }
  });

  it('fail: another path', async () => {
    await expect(refusal(webSocket('/elsewhere', ['mqtt']))).resolves.toEqual([
      404,
      'MQTT over WebSocket is at /$iothub/websocket, not at /elsewhere',
    ]);
  });

  it('fail: AMQP’s subprotocol, and none', async () => {
    await expect(refusal(webSocket('/$iothub/websocket', ['AMQPWSB10']))).resolves.toEqual([
      501,
      'the emulator speaks the subprotocol mqtt only; offered: AMQPWSB10',
    ]);
    await expect(refusal(webSocket('/$iothub/websocket', []))).resolves.toEqual([
      501,
      'the emulator speaks the subprotocol mqtt only; offered: none',
    ]);
  });

  it('ok: closing the listener ends WebSockets', async () => {
    const identity = await serverIdentity();
    const listener: TlsListener = await listenTls({ port: 0, identity, http: () => undefined, mqttServices: [] });
    const socket = new WebSocket(`wss://127.0.0.1:${listener.port}/$iothub/websocket`, ['mqtt'], {
      ca: identity.rootPem,
    });
    await once(socket, 'open');
    const closed = once(socket, 'close');
    await listener.close();
    await closed;
  });

  it('fail: an upgrade to something that is no WebSocket', async () => {
    const [response] = (await once(
      httpsRequest({
        host: '127.0.0.1',
        port: bed.port,
        path: '/$iothub/websocket',
        ca: bed.identity.rootPem,
        servername: 'localhost',
        agent: false,
        headers: { connection: 'upgrade', upgrade: 'h2c' },
      }).end(),
      'response',
    )) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(501);
  });
});
