import { constants } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import {
  createSecureContext,
  createServer as createTlsServer,
  type SecureContext,
  type SecureContextOptions,
  type Server as TlsServer,
  type TLSSocket,
} from 'node:tls';
import { EmulatorError } from '../errors.ts';
import { serveMqtt } from '../mqtt/connection.ts';
import type { StartPacketTrace } from '../mqtt/packet-trace.ts';
import type { MqttService } from '../mqtt/service.ts';
import { startSystemTimer, type StartTimer } from '../mqtt/timer.ts';
import { attachMqttOverWebSocket } from '../mqtt/websocket.ts';
import { type ConnectionLimits, defaultConnectionLimits } from './connection-limits.ts';
import { createHandedHttpServer } from './http-server.ts';
import { presentedChain } from './presented-chain.ts';
import type { ServerIdentity } from './server-identity.ts';

/** Options of {@link listenTls}. */
export interface ListenTlsOptions {
  /** 0 picks a free port. */
  readonly port: number;
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string;
  readonly identity: ServerIdentity;
  /** Another identity for the name that a client asks for; undefined for the usual one. */
  readonly identityFor?: (serverName: string) => Promise<ServerIdentity> | undefined;
  /** As in {@link ServeMqttOptions}. */
  readonly committed?: (() => Promise<void> | undefined) | undefined;
  /** Answers every HTTP request. */
  readonly http: (request: IncomingMessage, response: ServerResponse) => void;
  /** Asked in this order who takes a CONNECT packet. */
  readonly mqttServices: readonly MqttService[];
  /** Gets one line for each connection that ends otherwise than by the client's wish. Default: nothing is logged. */
  readonly log?: (line: string) => void;
  readonly now?: () => number;
  readonly startTimer?: StartTimer;
  /** As in {@link ServeMqttOptions}. */
  readonly trace?: StartPacketTrace | undefined;
  /** Default: {@link defaultConnectionLimits}. */
  readonly limits?: Partial<ConnectionLimits>;
}

/** A port that is open. */
export interface TlsListener {
  readonly port: number;
  /** Stops listening and ends every connection at once; resolves when all are gone. */
  close(): Promise<void>;
}

/** First byte of an MQTT CONNECT packet (MQTT 3.1.1 section 3.1.1); no HTTP method starts with it. */
const connectPacketByte = 0x10;

/** What AMQP 1.0 connections begin with (section 2.2): the protocol's ID 0 or, for SASL, 3 stands behind it. */
const amqpHeader = Buffer.from('AMQP');

/** A client that says nothing after the handshake is let go after this time. */
const firstByteTimeoutMs = 30_000;

/**
 * Opens one port for everything that Azure serves under one host name: MQTT, HTTP/1.1 and MQTT over WebSocket, told
 * apart by the first byte inside of TLS. A client certificate is asked for, taken as it is, and judged by the services.
 *
 * @throws {EmulatorError} ERR_EMULATOR_PORT_TAKEN, ERR_EMULATOR_PORT_REFUSED
 */
export async function listenTls(options: ListenTlsOptions): Promise<TlsListener> {
  const settings = { log: () => undefined, now: Date.now, startTimer: startSystemTimer, ...options };
  const limits = { ...defaultConnectionLimits, ...options.limits };
  const httpServer = createHandedHttpServer(options.http, limits);
  attachMqttOverWebSocket(httpServer, {
    log: settings.log,
    serve: (stream, request) => serveMqtt({ ...settings, stream, presentedChain: presentedChain(request.socket) }),
  });
  const { identityFor } = options;
  const server = createTlsServer({
    ...contextOptions(options.identity),
    requestCert: true,
    rejectUnauthorized: false,
    noDelay: true,
    handshakeTimeout: limits.handshakeMs,
    ...(identityFor && {
      SNICallback: (name: string, done: (error: Error | null, context?: SecureContext) => void) => {
        const other = identityFor(name);
        if (other === undefined) done(null);
        else other.then((identity) => done(null, createSecureContext(contextOptions(identity))), done);
      },
    }),
  });
  server.maxConnections = limits.mostConnections;
  server.on('drop', () => settings.log(`connection refused: ${limits.mostConnections} are open already`));
  const sockets = trackSockets(server);
  server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
    settings.log(`TLS handshake failed: ${error.message}`);
    // After a handshake that takes too long Node leaves the connection open.
    socket.destroy();
  });
  server.on('secureConnection', (socket) => {
    socket.on('error', (error: Error) => settings.log(`connection ended: ${error.message}`));
    serveByFirstByte(socket, { ...settings, httpServer });
  });
  const port = await listen(server, options);
  // Such as a process that has no file descriptor left for one more connection.
  server.on('error', (error: Error) => settings.log(`connection not accepted: ${error.message}`));
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        httpServer.close();
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function contextOptions(identity: ServerIdentity): SecureContextOptions {
  return {
    key: identity.keyPem,
    cert: identity.certificatePem,
    // An empty list instead of Node's bundled roots: nothing is verified here, and no stored root joins the chain.
    ca: [],
    // Classic hub and DPS names speak TLS 1.2 (Azure IoT Hub TLS support).
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
    // A resumed session would come without the client's certificates.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

function trackSockets(server: TlsServer): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  const track = (socket: Socket): void => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  };
  // Both: the plain socket is all there is during a handshake, the TLS one is what sessions hang on.
  server.on('connection', track);
  server.on('secureConnection', track);
  return sockets;
}

type ConnectionSettings = Required<Pick<ListenTlsOptions, 'log' | 'now' | 'startTimer' | 'mqttServices'>> &
  Pick<ListenTlsOptions, 'committed' | 'trace'>;

function serveByFirstByte(socket: TLSSocket, settings: ConnectionSettings & { readonly httpServer: Server }): void {
  const cancelTimer = settings.startTimer(firstByteTimeoutMs, () => socket.destroy());
  socket.once('close', cancelTimer);
  const serve = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) {
      socket.once('readable', serve);
      return;
    }
    cancelTimer();
    if (chunk.subarray(0, amqpHeader.length).equals(amqpHeader)) {
      settings.log('connection refused: it speaks AMQP, which the emulator does not; devices may use MQTT');
      socket.end();
      return;
    }
    socket.unshift(chunk);
    if (chunk[0] === connectPacketByte) {
      serveMqtt({ ...settings, stream: socket, presentedChain: presentedChain(socket) });
    } else {
      settings.httpServer.emit('connection', socket);
    }
  };
  socket.once('readable', serve);
}

function listen(server: TlsServer, options: ListenTlsOptions): Promise<number> {
  const host = options.host ?? '127.0.0.1';
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => reject(listenError(error, options.port, host));
    server.once('error', fail);
    server.listen(options.port, host, () => {
      server.off('error', fail);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function listenError(cause: NodeJS.ErrnoException, port: number, host: string): EmulatorError {
  return cause.code === 'EADDRINUSE'
    ? new EmulatorError(
        'ERR_EMULATOR_PORT_TAKEN',
        `Port ${port} on ${host} is taken by another process; stop it, choose another port, or use 0 for a free one.`,
        { cause },
      )
    : new EmulatorError(
        'ERR_EMULATOR_PORT_REFUSED',
        `Can't listen on port ${port} of ${host} (${cause.code ?? cause.message}); choose another port or address.`,
        { cause },
      );
}
