import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { originProblem } from '../request-origin.ts';
import { plainText } from '../plain-text.ts';
import { largestPacketBytes } from './packet-limit.ts';

/** Path and subprotocol of MQTT over WebSocket at DPS and IoT Hub alike ("Communicate with an IoT hub using MQTT"). */
const path = '/$iothub/websocket';
const subprotocol = 'mqtt';

/** Options of {@link attachMqttOverWebSocket}. */
export interface MqttOverWebSocketOptions {
  readonly serve: (stream: Duplex, request: IncomingMessage) => void;
  /** Gets one line for each upgrade that is refused. */
  readonly log: (line: string) => void;
}

/**
 * Lets an HTTP server take WebSocket upgrades for MQTT and hands each on as a byte stream. Anything else is answered
 * with the reason in plain text: 403 for another site's page, 404 for another path, 501 for another subprotocol, such as
 * AMQP's `AMQPWSB10`.
 */
export function attachMqttOverWebSocket(server: Server, { serve, log }: MqttOverWebSocketOptions): void {
  const webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: largestPacketBytes,
    handleProtocols: () => subprotocol,
  });
  server.on('upgrade', (request, socket, head) => {
    const refusal = refusalOf(request);
    if (refusal) {
      log(`WebSocket refused: ${plainText(refusal.text)}`);
      socket.once('finish', () => socket.destroy());
      socket.end(
        `HTTP/1.1 ${refusal.status}\r\nConnection: close\r\nContent-Type: text/plain\r\n` +
          `Content-Length: ${Buffer.byteLength(refusal.text)}\r\n\r\n${refusal.text}`,
      );
      return;
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      serve(createWebSocketStream(webSocket), request);
    });
  });
}

function refusalOf(request: IncomingMessage): { readonly status: string; readonly text: string } | undefined {
  const foreign = originProblem(request.headers);
  if (foreign !== undefined) return { status: '403 Forbidden', text: foreign };
  const asked = request.url?.split('?')[0]?.replace(/%24/gi, '$') ?? '';
  if (asked.toLowerCase() !== path) {
    return { status: '404 Not Found', text: `MQTT over WebSocket is at ${path}, not at ${asked}` };
  }
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  if (!offered.includes(subprotocol)) {
    return {
      status: '501 Not Implemented',
      text: `the emulator speaks the subprotocol ${subprotocol} only; offered: ${offered.join(', ') || 'none'}`,
    };
  }
  return undefined;
}
