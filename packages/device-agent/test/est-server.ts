import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { TLSSocket } from 'node:tls';
import { renewDeviceCertificate, type CertificateAuthority } from '@contoso/pki';
import { startContoso, type Contoso } from './contoso.ts';

/** What a test changes of an answer; undefined: the server answers as it should. */
export type EstAnswerRule = (request: EstRequestSeen) => Partial<EstReply> | undefined;

export interface EstReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

export interface EstRequestSeen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** Subject CN of the certificate that the device showed. */
  readonly client: string | undefined;
  readonly number: number;
}

/** An EST server (RFC 7030) that renews the devices of one line, with mutual TLS. */
export interface EstServer {
  readonly url: string;
  readonly trustedRootsPem: string;
  readonly requests: EstRequestSeen[];
  /** One for each certificate issued: a hash of the key that it is for. */
  readonly issuedFor: string[];
  answer: EstAnswerRule;
  close(): Promise<void>;
}

export interface EstServerOptions {
  readonly line: CertificateAuthority;
  /** PEM: what the server has under /cacerts; default: the line's whole chain. */
  readonly authoritiesPem?: string;
  readonly label?: string;
  readonly validityDays?: number;
}

/** A set-up Azure, and the EST server of its line; `close` ends both. */
export interface ContosoWithEst extends Contoso {
  readonly est: EstServer;
}

export async function startContosoWithEst(
  options: Pick<EstServerOptions, 'validityDays'> = {},
): Promise<ContosoWithEst> {
  const contoso = await startContoso();
  const est = await startEstServer({ line: contoso.line, ...options });
  return {
    ...contoso,
    est,
    close: async () => {
      await est.close();
      await contoso.close();
    },
  };
}

export async function startEstServer(options: EstServerOptions): Promise<EstServer> {
  const { line, label, authoritiesPem = line.chainPem } = options;
  const credentials = selfSigned();
  const root = `/.well-known/est${label === undefined ? '' : `/${label}`}`;
  const requests: EstRequestSeen[] = [];
  const issuedFor: string[] = [];
  const reply = async (seen: EstRequestSeen, clientDer: Buffer): Promise<EstReply> => {
    if (seen.method === 'GET' && seen.path === `${root}/cacerts`) return certsOnly(authoritiesPem);
    if (seen.method !== 'POST' || seen.path !== `${root}/simplereenroll`) {
      return { status: 404, headers: { 'content-type': 'text/plain' }, body: 'no such operation' };
    }
    const { certificatePem } = await renewDeviceCertificate(line, {
      previous: clientDer,
      csr: Buffer.from(seen.body, 'base64'),
      validityDays: options.validityDays ?? 800,
    });
    const key = new X509Certificate(certificatePem).publicKey.export({ type: 'spki', format: 'der' });
    issuedFor.push(createHash('sha256').update(key).digest('hex'));
    return certsOnly(certificatePem);
  };
  const est: { answer: EstAnswerRule } = { answer: () => undefined };
  const server = createServer(
    { ...credentials, ca: line.chainPem, requestCert: true, rejectUnauthorized: true },
    (request: IncomingMessage, response: ServerResponse) => {
      handle(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
    },
  );
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = (await buffer(request)).toString('latin1');
    const certificate = request.socket instanceof TLSSocket ? request.socket.getPeerX509Certificate() : undefined;
    const { method = '', url = '', headers } = request;
    const client = certificate && /^CN=(.+)$/m.exec(certificate.subject)?.[1];
    const seen = { method, path: url, headers, body, client, number: requests.length };
    requests.push(seen);
    const changed = est.answer(seen);
    const answer = {
      ...(changed?.status === undefined && (await reply(seen, certificate?.raw ?? Buffer.alloc(0)))),
      ...changed,
    };
    response.writeHead(answer.status ?? 200, { ...answer.headers }).end(answer.body);
  };
  server.on('tlsClientError', () => undefined);
  await once(server.listen(0, 'localhost'), 'listening');
  return Object.assign(est, {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    trustedRootsPem: credentials.cert,
    requests,
    issuedFor,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

/** Packed by OpenSSL, as an oracle for what the client reads. */
export function certsOnly(certificatesPem: string, form: 'base64' | 'der' = 'base64'): EstReply {
  const folder = mkdtempSync(join(tmpdir(), 'certs-only-'));
  const file = join(folder, 'certificates.pem');
  writeFileSync(file, certificatesPem);
  const der = execFileSync('openssl', ['crl2pkcs7', '-nocrl', '-certfile', file, '-outform', 'DER']);
  rmSync(folder, { recursive: true });
  const headers = { 'content-type': 'application/pkcs7-mime; smime-type=certs-only' };
  if (form === 'der') return { status: 200, headers, body: der };
  const body = der.toString('base64').replace(/.{76}/g, '$&\r\n');
  return { status: 200, headers: { ...headers, 'content-transfer-encoding': 'base64' }, body };
}

/** A certificate for `localhost`. */
export function selfSigned(): { readonly cert: string; readonly key: string } {
  const options = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=localhost'];
  const pem = execFileSync('openssl', ['req', ...options, '-addext', 'subjectAltName=DNS:localhost', '-keyout', '-'], {
    encoding: 'utf8',
    stdio: 'pipe',
  });
  const block = (name: string): string =>
    new RegExp(`-----BEGIN ${name}-----[^]+-----END ${name}-----\\n`).exec(pem)?.[0] ?? '';
  return { cert: block('CERTIFICATE'), key: block('PRIVATE KEY') };
}
