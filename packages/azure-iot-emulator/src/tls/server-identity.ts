import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** What the emulator shows its clients in the TLS handshake; made at start and kept in memory only. */
export interface ServerIdentity {
  /** PEM; the one certificate that clients have to trust. */
  readonly rootPem: string;
  /** PEM; server certificate first, then the root. */
  readonly certificatePem: string;
  /** PEM PKCS#8, unencrypted. */
  readonly keyPem: string;
}

/** Options of {@link createServerIdentity}. */
export interface ServerIdentityOptions {
  /** Milliseconds since 1970; default `Date.now`. Both certificates are valid from a day before to a year after. */
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

/**
 * Makes a new root and a server certificate under it: localhost, the emulator's `*.localhost` names and Microsoft's.
 *
 * @returns the identity; nothing is written to disk
 */
export async function createServerIdentity(options: ServerIdentityOptions = {}): Promise<ServerIdentity> {
  const now = (options.now ?? Date.now)();
  const validity = { notBefore: new Date(now - dayMs), notAfter: new Date(now + 365 * dayMs) };
  const [rootKeys, serverKeys] = await Promise.all([generateKeys(), generateKeys()]);
  const root = await X509CertificateGenerator.createSelfSigned(
    {
      name: rootName,
      keys: rootKeys,
      signingAlgorithm: algorithm,
      ...validity,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(rootKeys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  const server = await X509CertificateGenerator.create(
    {
      subject: 'CN=localhost',
      issuer: rootName,
      publicKey: serverKeys.publicKey,
      signingKey: rootKeys.privateKey,
      signingAlgorithm: algorithm,
      ...validity,
      extensions: await serverExtensions(rootKeys, serverKeys, options.extraNames ?? []),
    },
    webcrypto,
  );
  const rootPem = `${root.toString('pem')}\n`;
  return { rootPem, certificatePem: `${server.toString('pem')}\n${rootPem}`, keyPem: await privateKeyPem(serverKeys) };
}

async function serverExtensions(
  rootKeys: webcrypto.CryptoKeyPair,
  serverKeys: webcrypto.CryptoKeyPair,
  extraNames: readonly string[],
): Promise<Extension[]> {
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    subjectAlternativeNames(extraNames),
    await SubjectKeyIdentifierExtension.create(serverKeys.publicKey, false, webcrypto),
    await AuthorityKeyIdentifierExtension.create(rootKeys.publicKey, false, webcrypto),
  ];
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

function subjectAlternativeNames(extraNames: readonly string[]): SubjectAlternativeNameExtension {
  return new SubjectAlternativeNameExtension([
    ...[...dnsNames, ...extraNames].map((value) => ({ type: 'dns' as const, value })),
    ...ipAddresses.map((value) => ({ type: 'ip' as const, value })),
  ]);
}

async function privateKeyPem(keys: webcrypto.CryptoKeyPair): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----', ''].join('\n');
}
