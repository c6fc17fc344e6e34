import { expect } from '@jest/globals';
import type { webcrypto } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chainToPem } from '../src/certificate.ts';
import { signCertificate } from '../src/certificate-signing.ts';
import { createSoftwareKey } from '../src/custody/software-key.ts';
import { commonNameOnly } from '../src/distinguished-name.ts';
import {
  engine,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequestGenerator,
  type Extension,
  type Name,
  type X509Certificate,
} from '../src/engine.ts';
import {
  createLineAuthority,
  createRootAuthority,
  issueDeviceCertificate,
  PkiError,
  type CertificateAuthority,
  type DeviceCredential,
  type KeyAlgorithm,
  type PkiErrorCode,
  type SoftwareSigningKey,
} from '../src/index.ts';
import { privateKeyToPem } from '../src/private-key.ts';
import { authorityExtensions, deviceExtensions } from '../src/profile.ts';
import { planValidity } from '../src/validity.ts';

export const password = 'Sesame-é-17';

/** Root, line and device, as a factory has them. */
export async function createFactory(): Promise<{
  root: CertificateAuthority;
  line: CertificateAuthority;
  device: DeviceCredential;
}> {
  const root = await createRootAuthority({ commonName: 'Contoso Root CA' });
  const line = await createLineAuthority(root, { lineName: 'Line 1' });
  const device = await issueDeviceCertificate(line, { registrationId: 'thermostat-1' });
  return { root, line, device };
}

/** Runs with a folder of its own, which is gone afterwards. */
export async function inTemporaryFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'pki-'));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Expects a PkiError of this code, and returns it for a look at its message. */
export async function expectCode(action: Promise<unknown> | (() => unknown), code: PkiErrorCode): Promise<PkiError> {
  const error = await (typeof action === 'function' ? Promise.resolve().then(action) : action).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PkiError);
  expect((error as PkiError).code).toBe(code);
  return error as PkiError;
}

/** A certificate with any content, for what the public functions refuse to make. */
export interface TestCertificate {
  certificate: X509Certificate;
  key: SoftwareSigningKey;
}

export async function makeCertificate(
  name: string,
  options: { issuer?: TestCertificate; extensions?: Extension[]; notBefore?: string; notAfter?: string } = {},
): Promise<TestCertificate> {
  const key = await createSoftwareKey();
  const certificate = await signCertificate(options.issuer ?? { certificate: undefined, key }, {
    subject: commonNameOnly(name),
    publicKeyDer: key.publicKeyDer,
    validity: {
      notBefore: new Date(options.notBefore ?? '2026-01-01T00:00:00Z'),
      notAfter: new Date(options.notAfter ?? '2036-01-01T00:00:00Z'),
    },
    extensions: options.extensions ?? authorityExtensions(1),
  });
  return { certificate, key };
}

/** A chain of root, line and device with one odd part; everything else is right on 2026-06-01. */
export async function makeChain(
  odd: {
    root?: Parameters<typeof makeCertificate>[1];
    line?: Parameters<typeof makeCertificate>[1];
    device?: Parameters<typeof makeCertificate>[1];
  } = {},
): Promise<{ root: TestCertificate; line: TestCertificate; device: TestCertificate; chainPem: string }> {
  const root = await makeCertificate('Root', odd.root);
  const line = await makeCertificate('Line', { issuer: root, extensions: authorityExtensions(0), ...odd.line });
  const device = await makeCertificate('device-1', { issuer: line, extensions: deviceExtensions(), ...odd.device });
  return { root, line, device, chainPem: toPem(device, line, root) };
}

export function toPem(...certificates: TestCertificate[]): string {
  return chainToPem(certificates.map(({ certificate }) => certificate));
}

/** A key pair as @peculiar/x509's own generators take it. */
export async function makeWebKeys(): Promise<webcrypto.CryptoKeyPair> {
  return engine.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
}

/** Who receives sealed bundles. */
export interface Station {
  certificatePem: string;
  privateKeyPem: string;
}

/** Its certificate is signed by itself, and good for 30 days. */
export async function makeStation(
  options: { keyAlgorithm?: KeyAlgorithm; usage?: KeyUsageFlags; now?: Date } = {},
): Promise<Station> {
  const { keyAlgorithm = 'P-256', now } = options;
  const key = await createSoftwareKey({ keyAlgorithm });
  const { keyAgreement, keyEncipherment } = KeyUsageFlags;
  const usage = options.usage ?? (keyAlgorithm.startsWith('P-') ? keyAgreement : keyEncipherment);
  const certificate = await signCertificate(
    { certificate: undefined, key },
    {
      subject: commonNameOnly('Station 4'),
      publicKeyDer: key.publicKeyDer,
      validity: planValidity({ validityDays: 30, now }),
      extensions: [new KeyUsagesExtension(usage, true)],
    },
  );
  return { certificatePem: chainToPem([certificate]), privateKeyPem: privateKeyToPem(key.keyObject) };
}

/** A certificate request as a device makes it. */
export async function makeRequest(
  name: Name | string,
  options: { extensions?: Extension[]; keys?: webcrypto.CryptoKeyPair } = {},
): Promise<{ pem: string; der: Uint8Array }> {
  const keys = options.keys ?? (await makeWebKeys());
  const request = await Pkcs10CertificateRequestGenerator.create(
    {
      name,
      keys,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      ...(options.extensions && { extensions: options.extensions }),
    },
    engine,
  );
  return { pem: request.toString('pem'), der: new Uint8Array(request.rawData) };
}
