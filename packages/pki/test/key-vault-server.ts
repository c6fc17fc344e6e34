import {
  constants,
  createECDH,
  createPublicKey,
  generateKeyPairSync,
  privateEncrypt,
  randomBytes,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { chainToPem } from '../src/certificate.ts';
import { signCertificate } from '../src/certificate-signing.ts';
import type { KeyVaultKeyLocation } from '../src/custody/key-vault.ts';
import { createSoftwareKey } from '../src/custody/software-key.ts';
import { commonNameOnly } from '../src/distinguished-name.ts';
import { Extension } from '../src/engine.ts';
import { privateKeyToPem } from '../src/private-key.ts';
import { planValidity } from '../src/validity.ts';

/**
 * A key vault after the REST API of Azure Key Vault (keys: create, get, sign; challenge authentication; errors), over HTTPS
 * on this machine. It signs with keys of node:crypto.
 */
export class KeyVaultServer {
  /** What a client has to present; anything else is answered with a challenge or with 403. */
  readonly token = randomBytes(24).toString('base64url');
  /** Method and path of all requests that came with the token. */
  readonly requests: string[] = [];
  /** Answers to give instead of real ones, in turn. */
  readonly failures: { status: number; code: string; headers?: Record<string, string> }[] = [];
  url = '';
  certificatePem = '';
  #server: Server | undefined;
  readonly #keys = new Map<string, { version: string; privateKey: KeyObject }[]>();

  async start(): Promise<void> {
    const { certificatePem, privateKeyPem } = await makeServerCertificate();
    this.certificatePem = certificatePem;
    this.#server = createServer({ cert: certificatePem, key: privateKeyPem }, (request, response) => {
      void this.#answer(request).then(({ status, body, headers }) => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers });
        response.end(JSON.stringify(body));
      });
    });
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `https://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Credential and client of a caller; the server is no Azure domain, and nobody waits between two tries. */
  caller(token = this.token): Pick<KeyVaultKeyLocation, 'credential' | 'clientOptions'> {
    return {
      credential: { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) },
      clientOptions: {
        disableChallengeResourceVerification: true,
        retryOptions: { maxRetries: 2, retryDelayInMs: 0, maxRetryDelayInMs: 0 },
        tlsOptions: { ca: this.certificatePem },
      },
    };
  }

  async stop(): Promise<void> {
    this.#server?.close();
    this.#server?.closeAllConnections();
    if (this.#server) await once(this.#server, 'close');
  }

  /** Puts in a key of any kind. */
  add(name: string, privateKey: KeyObject): void {
    const versions = this.#keys.get(name) ?? [];
    this.#keys.set(name, [...versions, { version: randomBytes(16).toString('hex'), privateKey }]);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const body = await readBody(request);
    const { pathname, searchParams } = new URL(request.url ?? '', this.url);
    const given = request.headers.authorization;
    if (given === undefined) return challenge(this.url);
    if (given !== `Bearer ${this.token}`) return problem(401, 'Unauthorized', {}, 'Invalid issuer or signature.');
    this.requests.push(`${request.method ?? ''} ${pathname}`);
    const failure = this.failures.shift();
    if (failure) return problem(failure.status, failure.code, failure.headers);
    if (!searchParams.has('api-version')) return problem(400, 'BadParameter');
    return this.#route(request.method ?? '', pathname, body);
  }

  #route(method: string, path: string, body: RequestBody): Answer {
    const [, keys, name = '', version = '', action] = path.split('/');
    if (keys !== 'keys') return problem(404, 'NotFound');
    if (method === 'POST' && version === 'create') {
      this.add(name, generate(body));
      return this.#describe(name, '');
    }
    if (method === 'GET') return this.#describe(name, version);
    const key = this.#find(name, version);
    if (method !== 'POST' || action !== 'sign' || !key) return problem(404, 'KeyNotFound');
    const digest = Buffer.from(body.value ?? '', 'base64url');
    const value = signDigest(key.privateKey, digest, body.alg ?? '');
    if (!value) return problem(400, 'BadParameter', {}, 'Key and signing algorithm are incompatible.');
    return { status: 200, body: { kid: this.#id(name, key.version), value: value.toString('base64url') } };
  }

  #describe(name: string, version: string): Answer {
    const key = this.#find(name, version);
    if (!key) return problem(404, 'KeyNotFound', {}, `A key with (name/id) ${name} was not found in this key vault.`);
    const jwk: JsonWebKey = createPublicKey(key.privateKey).export({ format: 'jwk' });
    const attributes = { enabled: true, created: 1767225600, updated: 1767225600, exportable: false };
    return {
      status: 200,
      body: { key: { kid: this.#id(name, key.version), ...jwk, key_ops: ['sign', 'verify'] }, attributes },
    };
  }

  #find(name: string, version: string): { version: string; privateKey: KeyObject } | undefined {
    const versions = this.#keys.get(name) ?? [];
    return version === '' ? versions.at(-1) : versions.find((key) => key.version === version);
  }

  #id(name: string, version: string): string {
    return `${this.url}/keys/${name}/${version}`;
  }
}

interface Answer {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

interface RequestBody {
  kty?: string;
  crv?: string;
  key_size?: number;
  alg?: string;
  value?: string;
}

async function readBody(request: IncomingMessage): Promise<RequestBody> {
  const parts = (await request.toArray()) as Buffer[];
  const text = Buffer.concat(parts).toString('utf8');
  return text === '' ? {} : (JSON.parse(text) as RequestBody);
}

function challenge(url: string): Answer {
  const parameters = `authorization="https://login.localhost/tenant", resource="${url}"`;
  return problem(401, 'Unauthorized', { 'www-authenticate': `Bearer ${parameters}` }, 'Request is missing a token.');
}

function problem(status: number, code: string, headers: Record<string, string> = {}, message = code): Answer {
  return { status, body: { error: { code, message } }, headers };
}

function generate({ kty = '', crv = '', key_size: modulusLength = 2048 }: RequestBody): KeyObject {
  return kty.startsWith('RSA')
    ? generateKeyPairSync('rsa', { modulusLength }).privateKey
    : generateKeyPairSync('ec', { namedCurve: crv }).privateKey;
}

/** DigestInfo of SHA-256 without the hash itself (RFC 8017 section 9.2). */
const sha256Info = Buffer.from('3031300d060960864801650304020105000420', 'hex');

function signDigest(key: KeyObject, digest: Buffer, algorithm: string): Buffer | undefined {
  if (algorithm === 'RS256' && key.asymmetricKeyType === 'rsa') {
    return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, Buffer.concat([sha256Info, digest]));
  }
  const curve = curves[algorithm];
  return curve && key.asymmetricKeyDetails?.namedCurve === curve.name ? signEcdsa(key, digest, curve) : undefined;
}

interface Curve {
  name: string;
  length: number;
  order: bigint;
}

const curves: Readonly<Record<string, Curve>> = {
  ES256: {
    name: 'prime256v1',
    length: 32,
    order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  },
  ES384: {
    name: 'secp384r1',
    length: 48,
    order: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  },
};

/** FIPS 186-5 section 6.4.1 over a finished digest, which node:crypto doesn't offer; r and s as Key Vault returns them. */
function signEcdsa(key: KeyObject, digest: Buffer, { name, length, order }: Curve): Buffer {
  const secret = toNumber(Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url'));
  const ecdh = createECDH(name);
  ecdh.generateKeys();
  const once = toNumber(ecdh.getPrivateKey());
  const r = toNumber(ecdh.getPublicKey().subarray(1, 1 + length)) % order;
  const s = (inverse(once, order) * (toNumber(digest) + r * secret)) % order;
  return Buffer.from([r, s].map((value) => value.toString(16).padStart(2 * length, '0')).join(''), 'hex');
}

function toNumber(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`);
}

/** Fermat: the order is a prime. */
function inverse(value: bigint, order: bigint): bigint {
  let [result, base, exponent] = [1n, value % order, order - 2n];
  for (; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % order;
    base = (base * base) % order;
  }
  return result;
}

async function makeServerCertificate(): Promise<{ certificatePem: string; privateKeyPem: string }> {
  const key = await createSoftwareKey();
  const localhost = Buffer.from('localhost');
  // GeneralNames with one dNSName.
  const names = Buffer.concat([Buffer.of(0x30, localhost.length + 2, 0x82, localhost.length), localhost]);
  const certificate = await signCertificate(
    { certificate: undefined, key },
    {
      subject: commonNameOnly('localhost'),
      publicKeyDer: key.publicKeyDer,
      validity: planValidity({ validityDays: 1 }),
      extensions: [new Extension('2.5.29.17', false, names)],
    },
  );
  return { certificatePem: chainToPem([certificate]), privateKeyPem: privateKeyToPem(key.keyObject) };
}
