import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createCrl,
  createLineAuthority,
  createRootAuthority,
  decodePfx,
  encodePfx,
  issueDeviceCertificate,
  type CertificateAuthority,
  type DecodedPfx,
  type DeviceCredential,
  type KeyAlgorithm,
} from '../src/index.ts';

/** A password that every tool takes on its command line. */
export const plainPassword = 'Sesame-17';

export const keyAlgorithms: readonly KeyAlgorithm[] = ['P-256', 'P-384', 'RSA-2048'];

/** Everything that another tool may want to read of ours, as files in a folder. */
export interface InteropFiles {
  root: CertificateAuthority;
  line: CertificateAuthority;
  device: DeviceCredential;
  /** A device that is on the line's revocation list. */
  revoked: DeviceCredential;
  /** root.pem, line.pem, device.pem, device.chain.pem, device.pfx, revoked.chain.pem, root.crl.pem, line.crl.pem, line.crl.der */
  path: (name: string) => string;
}

export async function writeInteropFiles(folder: string, keyAlgorithm: KeyAlgorithm = 'P-256'): Promise<InteropFiles> {
  const root = await createRootAuthority({ commonName: 'Contoso Root CA', keyAlgorithm });
  const line = await createLineAuthority(root, { lineName: 'Line 1', keyAlgorithm });
  const device = await issueDeviceCertificate(line, { registrationId: 'thermostat-1', keyAlgorithm });
  const revoked = await issueDeviceCertificate(line, { registrationId: 'thermostat-2', keyAlgorithm });
  const now = new Date();
  const dates = { now, nextUpdate: new Date(now.getTime() + 7 * 86_400_000) };
  const entry = { serialNumber: revoked.serialNumber, revokedAt: now, reason: 'keyCompromise' } as const;
  const lineCrl = await createCrl(line, { ...dates, revoked: [entry], number: 5 });
  const rootCrl = await createCrl(root, { ...dates, revoked: [], number: 1 });
  const pfx = { password: plainPassword, friendlyName: 'thermostat-1' };
  const files: Record<string, string | Uint8Array> = {
    'root.pem': root.certificatePem,
    'line.pem': line.certificatePem,
    'device.pem': device.certificatePem,
    'device.chain.pem': device.chainPem,
    'device.pfx': await encodePfx({ ...device, ...pfx }),
    'revoked.chain.pem': revoked.chainPem,
    'revoked.pfx': await encodePfx({ ...revoked, ...pfx, friendlyName: 'thermostat-2' }),
    'root.crl.pem': rootCrl.crlPem,
    'line.crl.pem': lineCrl.crlPem,
    'line.crl.der': lineCrl.crlDer,
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return { root, line, device, revoked, path: (name) => join(folder, name) };
}

export async function openPfxFile(path: string): Promise<DecodedPfx> {
  return decodePfx(await readFile(path), plainPassword);
}
