import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import { createLineAuthority, createRootAuthority, issueDeviceCertificate } from '@contoso/pki';

/** PEM throughout. */
export interface ServerCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** A device's certificate with its chain up to the root, leaf first. */
export interface FleetDevice {
  readonly deviceId: string;
  readonly cert: string;
  readonly key: string;
}

export type Fleet = Awaited<ReturnType<typeof createFleet>>;

/** A root and a production line, and devices of it. */
export async function createFleet() {
  const root = await createRootAuthority({ commonName: 'Bench Root CA' });
  const line = await createLineAuthority(root, { lineName: 'bench-line' });
  let last = 0;
  const issue = async (): Promise<FleetDevice> => {
    const deviceId = `bench-${String((last += 1))}`;
    const { chainPem, privateKeyPem } = await issueDeviceCertificate(line, { registrationId: deviceId });
    return { deviceId, cert: chainPem, key: privateKeyPem };
  };
  return {
    root,
    line,
    rootPem: root.certificatePem,
    issueDevices: async (count: number): Promise<FleetDevice[]> => {
      const devices: FleetDevice[] = [];
      while (devices.length < count) devices.push(await issue());
      return devices;
    },
  };
}

const algorithm = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
};

/** For the servers that the emulator is compared with: RSA 2048 like the emulator's. */
export async function createServerCertificate(): Promise<ServerCertificate> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=localhost',
      keys,
      signingAlgorithm: algorithm,
      notBefore: new Date(Date.now() - 86_400_000),
      notAfter: new Date(Date.now() + 86_400_000),
      extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }])],
    },
    webcrypto,
  );
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return {
    certificatePem: `${certificate.toString('pem')}\n`,
    keyPem: `-----BEGIN PRIVATE KEY-----\n${key.replace(/.{64}/g, '$&\n')}\n-----END PRIVATE KEY-----\n`,
  };
}
