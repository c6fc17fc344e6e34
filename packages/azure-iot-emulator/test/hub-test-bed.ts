import { request as httpsRequest } from 'node:https';
import { createHttpApp } from '../src/http-app.ts';
import { defaultHubAssumptions, type HubAssumptions } from '../src/hub/hub-assumptions.ts';
import type { HubDirectory } from '../src/hub/hub-directory.ts';
import { HubMqttService } from '../src/hub/hub-mqtt-service.ts';
import { registerHubRoutes } from '../src/hub/hub-routes.ts';
import type { QuotaMode } from '../src/hub/hub-quotas.ts';
import { IotHub } from '../src/hub/iot-hub.ts';
import { signToken } from './hub-token.ts';
import { listenTls, type TlsListener } from '../src/tls/listener.ts';
import { createServerIdentity, type ServerIdentity } from '../src/tls/server-identity.ts';
import type { StartTimer } from '../src/mqtt/timer.ts';
import { RawClient } from './mqtt-raw-client.ts';

/** Made once: a new identity costs two RSA keys. */
let identity: Promise<ServerIdentity> | undefined;

export function serverIdentity(): Promise<ServerIdentity> {
  return (identity ??= createServerIdentity());
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed JSON; undefined without a body. */
  readonly body: unknown;
}

export interface HttpCall {
  readonly policy?: string;
  readonly authorization?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly host?: string;
}

/** One hub behind one port, with nothing else of the emulator. */
export interface HubTestBed {
  readonly hub: IotHub;
  readonly port: number;
  readonly identity: ServerIdentity;
  readonly log: readonly string[];
  /** A call of the service plane, signed by a policy (default iothubowner). */
  call(method: string, path: string, call?: HttpCall): Promise<HttpAnswer>;
  rawClient(certificate?: { readonly cert: string; readonly key: string }): Promise<RawClient>;
  /** What a device puts into CONNECT. */
  username(deviceId: string): string;
  close(): Promise<void>;
}

export interface HubTestBedOptions {
  readonly now?: () => number;
  readonly startTimer?: StartTimer;
  /** A bearer token that counts as valid. */
  readonly bearerToken?: string;
  readonly assumptions?: Partial<HubAssumptions>;
  readonly quotas?: QuotaMode;
}

export async function openHub(options: HubTestBedOptions = {}): Promise<HubTestBed> {
  const { bearerToken, assumptions: changes, quotas, ...clock } = options;
  const assumptions = { ...defaultHubAssumptions, ...changes };
  const log: string[] = [];
  const hubs: HubDirectory = { findByHostName: (name) => (hub.answersTo(name) ? hub : undefined) };
  const app = createHttpApp();
  registerHubRoutes(app, {
    hubs,
    ...(clock.now && { now: clock.now }),
    tokens: {
      isValid: (token, [audience]) =>
        Promise.resolve(token === bearerToken && audience === 'https://iothubs.azure.net'),
    },
  });
  await app.ready();
  const identity = await serverIdentity();
  const listener: TlsListener = await listenTls({
    port: 0,
    identity,
    http: (request, response) => app.routing(request, response),
    mqttServices: [new HubMqttService({ hubs, assumptions })],
    log: (line) => log.push(line),
    ...clock,
  });
  const hub: IotHub = new IotHub({
    name: 'h1',
    hostName: `h1.azure-devices.localhost:${listener.port}`,
    log: (line) => log.push(line),
    assumptions,
    ...(quotas && { quotas }),
    ...clock,
  });
  return {
    hub,
    port: listener.port,
    identity,
    log,
    call: (method, path, call = {}) =>
      callHub(hub, { method, path, ca: identity.rootPem, port: listener.port, ...call }),
    rawClient: (certificate) =>
      RawClient.overTls({
        port: listener.port,
        ca: identity.rootPem,
        servername: 'h1.azure-devices.localhost',
        ...certificate,
      }),
    username: (deviceId) => `${hub.hostName}/${deviceId}/?api-version=2021-04-12`,
    close: async () => {
      hub.close();
      await listener.close();
      await app.close();
    },
  };
}

type FullCall = HttpCall & {
  readonly method: string;
  readonly path: string;
  readonly ca: string;
  readonly port: number;
};

function callHub(hub: IotHub, call: FullCall): Promise<HttpAnswer> {
  const { method, ca, port, policy = 'iothubowner' } = call;
  const key = hub.sharedAccessPolicies.find(({ name }) => name === policy)!.primaryKey;
  const authorization = call.authorization ?? signToken({ resource: 'h1.azure-devices.localhost', key, policy });
  const path =
    call.path.includes('api-version') || call.path.startsWith('/emulator')
      ? call.path
      : `${call.path}${call.path.includes('?') ? '&' : '?'}api-version=2021-04-12`;
  const payload = call.body === undefined ? '' : typeof call.body === 'string' ? call.body : JSON.stringify(call.body);
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host: '127.0.0.1',
        port,
        ca,
        method,
        path,
        agent: false,
        servername: 'h1.azure-devices.localhost',
        headers: {
          host: call.host ?? hub.hostName,
          authorization,
          'content-type': 'application/json; charset=utf-8',
          'content-length': Buffer.byteLength(payload),
          ...call.headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: text === '' ? undefined : (JSON.parse(text) as unknown),
          });
        });
      },
    );
    request.on('error', reject);
    request.end(payload);
  });
}
