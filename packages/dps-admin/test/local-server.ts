import 'reflect-metadata';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { webcrypto } from 'node:crypto';
import { SubjectAlternativeNameExtension, X509CertificateGenerator, cryptoProvider } from '@peculiar/x509';
import { createAzureSession } from '../src/index.ts';
import type { AzureSession, AzureSessionOptions, Cloud } from '../src/index.ts';

/** An HTTPS server for faults that no well-behaved Azure shows. */
export interface LocalServer {
  readonly cloud: Cloud;
  /** `METHOD path` of each request, in order. */
  readonly requests: string[];
  /** A session whose token is made up: the server takes any. */
  readonly session: (options?: Partial<AzureSessionOptions>) => Promise<AzureSession>;
  readonly close: () => Promise<void>;
}

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** @param hostName - the only name in the server's certificate; `localhost` is where it can be reached */
export async function startLocalServer(answer: Answer, hostName = 'localhost'): Promise<LocalServer> {
  const { keyPem, certificatePem } = await createServerCertificate(hostName);
  const requests: string[] = [];
  const server = createServer({ key: keyPem, cert: certificatePem }, (request, response) => {
    requests.push(`${request.method ?? ''} ${request.url ?? ''}`);
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cloud = cloudAt((server.address() as AddressInfo).port, certificatePem);
  const sessions: AzureSession[] = [];
  return {
    cloud,
    requests,
    async session(options = {}) {
      const session = await createAzureSession({ ...testOptions(cloud), ...options });
      sessions.push(session);
      return session;
    },
    async close() {
      for (const session of sessions) session.close();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Where every plane is one port of this machine. */
export function cloudAt(port: number, trustedRootsPem: string): Cloud {
  return {
    name: 'local',
    authorityHost: `https://localhost:${port}`,
    resourceManagerEndpoint: `https://localhost:${port}`,
    resourceManagerAudience: 'https://management.example',
    provisioningDeviceEndpoint: `localhost:${port}`,
    provisioningServiceSuffix: `dps.localhost:${port}`,
    provisioningServiceAudience: 'https://dps.example',
    hubSuffix: `hubs.localhost:${port}`,
    hubAudience: 'https://hubs.example',
    trustedRootsPem,
    subscriptionId: '11111111-2222-3333-4444-555555555555',
  };
}

export function testOptions(cloud: Cloud): AzureSessionOptions {
  return {
    cloud,
    credential: { getToken: () => Promise.resolve({ token: 'made-up', expiresOnTimestamp: Date.now() + 3_600_000 }) },
    retryOptions: { maxRetries: 2, retryDelayInMs: 0, maxRetryDelayInMs: 0 },
    pollIntervalMs: 0,
  };
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

async function createServerCertificate(hostName: string): Promise<{ keyPem: string; certificatePem: string }> {
  cryptoProvider.set('test', webcrypto);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=${hostName}`,
      keys,
      signingAlgorithm: algorithm,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 3_600_000),
      extensions: [
        new SubjectAlternativeNameExtension(
          ['', 'dps.', '*.dps.', 'hubs.', '*.hubs.'].map((prefix) => ({ type: 'dns', value: `${prefix}${hostName}` })),
        ),
      ],
    },
    webcrypto,
  );
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return {
    keyPem: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`,
    certificatePem: certificate.toString('pem'),
  };
}
