import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { ConnectionError, reasonOf } from './connection-error.ts';
import { formatServerAddress, type ServerAddress } from './server-address.ts';
import { ignoreErrors, socketEvent } from './socket-event.ts';

/** Where Azure IoT Hub and DPS take MQTT over WebSocket. */
const path = '/$iothub/websocket';

/**
 * A stream of the bytes in binary WebSocket messages, subprotocol `mqtt` (MQTT 3.1.1 section 6).
 *
 * @throws {ConnectionError} websocket
 */
export async function openWebSocket(socket: TLSSocket, server: ServerAddress, signal: AbortSignal): Promise<Duplex> {
  // Half of the devices never need it.
  const { WebSocket, createWebSocketStream } = await import('ws');
  signal.throwIfAborted();
  const webSocket = new WebSocket(`wss://${formatServerAddress(server)}${path}`, 'mqtt', {
    createConnection: () => socket,
    perMessageDeflate: false,
  });
  let answer: IncomingMessage | undefined;
  const onAnswer = (_request: unknown, response: IncomingMessage): void => {
    answer = response;
    socket.destroy();
    webSocket.emit('error', new Error(`HTTP ${response.statusCode ?? 0} ${response.statusMessage ?? ''}`.trimEnd()));
  };
  webSocket.once('unexpected-response', onAnswer);
  try {
    await socketEvent(Object.assign(webSocket, { destroy: () => socket.destroy() }), 'open', signal);
  } catch (error) {
    socket.destroy();
    if (error === signal.reason) throw error;
    throw toWebSocketError(server, error, answer);
  }
  webSocket.off('unexpected-response', onAnswer);
  const stream = createWebSocketStream(webSocket);
  ignoreErrors(stream);
  // Of itself it would stay open for writing, and nobody would notice before the keep-alive does.
  stream.once('end', () => stream.destroy());
  return stream;
}

function toWebSocketError(server: ServerAddress, cause: unknown, answer: IncomingMessage | undefined): ConnectionError {
  return new ConnectionError('websocket', {
    detail: `${formatServerAddress(server)} does not upgrade to WebSocket: ${reasonOf(cause)}`,
    advice:
      answer === undefined
        ? 'Look for a proxy or firewall that cuts WebSocket (Upgrade), and check that the host is an IoT hub or DPS.'
        : 'A web server or gateway answers in place of the IoT hub: check the host name, and let WebSocket (Upgrade) through.',
    cause,
  });
}
