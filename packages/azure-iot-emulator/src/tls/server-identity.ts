import 'reflect-metadata';
import { createPrivateKey, webcrypto, X509Certificate as OpensslCertificate } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type PublicKey,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** What the emulator shows its clients in the TLS handshake. */
export interface ServerIdentity {
  /** PEM; the one certificate that clients have to trust. */
  readonly rootPem: string;
  /** PEM PKCS#8, unencrypted; for further server certificates. */
  readonly rootKeyPem: string;
  /** PEM; server certificate first, then the root. */
  readonly certificatePem: string;
  /** PEM PKCS#8, unencrypted. */
  readonly keyPem: string;
}

/** Options of {@link createServerIdentity}. */
export interface ServerIdentityOptions {
  /**
   * Milliseconds since 1970; default `Date.now`. The server certificate is valid from a day before to a year after this
   * and the system's time, the root for twenty years.
   */
  readonly now?: () => number;
  /** DNS names that the server certificate carries in addition. */
  readonly extraNames?: readonly string[];
}

/** Microsoft's own names are among them so that clients with Azure's host names built in can be led here. */
const dnsNames = [
  'localhost',
  '*.azure-devices.localhost',
  '*.azure-devices-provisioning.localhost',
  '*.azure-devices.net',
  '*.azure-devices-provisioning.net',
  'global.azure-devices-provisioning.net',
  'management.azure.com',
  'login.microsoftonline.com',
];
const rootName = 'CN=Azure IoT emulator root';
const ipAddresses = ['127.0.0.1', '::1'];

/** RSA because Azure's server certificates are (Azure IoT Hub TLS support), and some device stacks accept nothing else. */
const algorithm = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
};

const dayMs = 86_400_000;
const serverDays = 365;
const rootDays = 20 * serverDays;

/** What has less than this left is renewed. */
const renewalDays = 30;

/**
 * Makes a new root and a server certificate under it: localhost, the emulator's `*.localhost` names and Microsoft's.
 *
 * @returns the identity; nothing is written to disk
 */
export async function createServerIdentity(options: ServerIdentityOptions = {}): Promise<ServerIdentity> {
  const now = (options.now ?? Date.now)();
  const rootKeys = await generateKeys();
  const root = await X509CertificateGenerator.createSelfSigned(
    {
      name: rootName,
      keys: rootKeys,
      signingAlgorithm: algorithm,
      ...validityAt(now, rootDays),
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(rootKeys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  const rootPem = `${root.toString('pem')}\n`;
  const names = { dns: [...dnsNames, ...(options.extraNames ?? [])], ip: ipAddresses };
  const rootKeyPem = await privateKeyPem(rootKeys.privateKey);
  return issueServer({ rootPem, rootKeyPem, names, validity: validityAt(now, serverDays) });
}

/** When an identity has to be renewed, in Unix milliseconds: thirty days before the first of its certificates ends. */
export function renewalMs({ certificatePem, rootPem }: ServerIdentity): number {
  const ends = [certificatePem, rootPem].map((pem) => Date.parse(new OpensslCertificate(pem).validTo));
  return Math.min(...ends) - renewalDays * dayMs;
}

/**
 * A new server certificate under the same root, so that nobody has to trust another one; under a new root where that one
 * is at its end too.
 */
export async function renewServerIdentity(identity: ServerIdentity, nowMs: number): Promise<ServerIdentity> {
  const renewed = await issueServerIdentity(identity, { nowMs });
  return nowMs < renewalMs(renewed) ? renewed : createServerIdentity({ now: () => nowMs });
}

/** What the certificate of {@link issueServerIdentity} says instead of the usual. */
export interface ServerCertificateChanges {
  /** DNS names; no address is among them then. */
  readonly dnsNames?: readonly string[];
  readonly validity?: { readonly notBefore: Date; readonly notAfter: Date };
  /** Unix milliseconds; default `Date.now`: with the system's time what the usual validity goes by. */
  readonly nowMs?: number;
}

/** Another server certificate, with a key of its own, under the root of `identity`. */
export function issueServerIdentity(
  { rootPem, rootKeyPem }: Pick<ServerIdentity, 'rootPem' | 'rootKeyPem'>,
  changes: ServerCertificateChanges,
): Promise<ServerIdentity> {
  const names = changes.dnsNames ? { dns: changes.dnsNames, ip: [] } : { dns: dnsNames, ip: ipAddresses };
  return issueServer({
    rootPem,
    rootKeyPem,
    names,
    validity: changes.validity ?? validityAt(changes.nowMs ?? Date.now(), serverDays),
  });
}

interface Names {
  readonly dns: readonly string[];
  readonly ip: readonly string[];
}

interface ServerRequest extends Pick<ServerIdentity, 'rootPem' | 'rootKeyPem'> {
  readonly names: Names;
  readonly validity: { readonly notBefore: Date; readonly notAfter: Date };
}

async function issueServer({ rootPem, rootKeyPem, names, validity }: ServerRequest): Promise<ServerIdentity> {
  const serverKeys = await generateKeys();
  const root = new X509Certificate(rootPem);
  const rootKey = createPrivateKey(rootKeyPem).export({ type: 'pkcs8', format: 'der' });
  const server = await X509CertificateGenerator.create(
    {
      subject: 'CN=localhost',
      issuer: rootName,
      publicKey: serverKeys.publicKey,
      signingKey: await webcrypto.subtle.importKey('pkcs8', rootKey, algorithm, false, ['sign']),
      signingAlgorithm: algorithm,
      ...validity,
      extensions: await serverExtensions(root.publicKey, serverKeys, names),
    },
    webcrypto,
  );
  const certificatePem = `${server.toString('pem')}\n${rootPem}`;
  return { rootPem, rootKeyPem, certificatePem, keyPem: await privateKeyPem(serverKeys.privateKey) };
}

/** Clients go by the system's clock, and tests may let theirs go by the emulator's: both have to find it in its time. */
function validityAt(now: number, days: number): { readonly notBefore: Date; readonly notAfter: Date } {
  const times = [now, Date.now()];
  return {
    notBefore: new Date(Math.min(...times) - dayMs),
    notAfter: new Date(Math.max(...times) + days * dayMs),
  };
}

async function serverExtensions(
  rootKey: PublicKey,
  serverKeys: webcrypto.CryptoKeyPair,
  names: Names,
): Promise<Extension[]> {
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    subjectAlternativeNames(names),
    await SubjectKeyIdentifierExtension.create(serverKeys.publicKey, false, webcrypto),
    await AuthorityKeyIdentifierExtension.create(rootKey, false, webcrypto),
  ];
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

function subjectAlternativeNames({ dns, ip }: Names): SubjectAlternativeNameExtension {
  return new SubjectAlternativeNameExtension([
    ...dns.map((value) => ({ type: 'dns' as const, value })),
    ...ip.map((value) => ({ type: 'ip' as const, value })),
  ]);
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----', ''].join('\n');
}
