import { access } from 'node:fs/promises';
import { join } from 'node:path';
import {
  checkRegistrationId,
  createLineAuthority,
  createRootAuthority,
  issueDeviceCertificate,
  loadAuthority,
  readCredential,
  saveAuthority,
  saveDevice,
  type CertificateAuthority,
  type CertificateDetails,
} from '@contoso/pki';
import { UsageError } from './usage-error.ts';

/** A folder of certificates and keys, all under one password. */
export interface CertFolder {
  readonly folder: string;
  readonly password: string;
}

/** Something from the folder, and whether this run made it. */
export interface Made<T> {
  readonly item: T;
  readonly isNew: boolean;
}

/** The root authority of the folder, made where there is none. */
export function openRoot({ folder, password }: CertFolder): Promise<Made<CertificateAuthority>> {
  return openAuthority({ folder, name: 'root', password }, () =>
    createRootAuthority({ commonName: 'Contoso Root CA' }),
  );
}

/** The authority of one production line, made and signed by the root where there is none. */
export function openLine(
  { folder, password }: CertFolder,
  root: CertificateAuthority,
  lineName: string,
): Promise<Made<CertificateAuthority>> {
  return openAuthority({ folder, name: lineName, password }, () => createLineAuthority(root, { lineName }));
}

async function openAuthority(
  location: { folder: string; name: string; password: string },
  create: () => Promise<CertificateAuthority>,
): Promise<Made<CertificateAuthority>> {
  if (await exists(join(location.folder, `${location.name}.key.pem`))) {
    return { item: await loadAuthority(location), isNew: false };
  }
  const item = await create();
  await saveAuthority(item, location);
  return { item, isNew: true };
}

/** What `openDevice` gives: the certificate's facts and the PFX's path. */
export interface DeviceFile {
  readonly details: CertificateDetails;
  readonly pfxPath: string;
}

/** The device's PFX, issued by the line where there is none, or anew with `force`. */
export async function openDevice(
  { folder, password }: CertFolder,
  line: CertificateAuthority,
  { deviceId, force }: { readonly deviceId: string; readonly force: boolean },
): Promise<Made<DeviceFile>> {
  checkRegistrationId(deviceId);
  const pfxPath = join(folder, `${deviceId}.pfx`);
  if (!force && (await exists(pfxPath))) {
    const details = await readCredential({ path: pfxPath, password });
    if (details.issuer !== line.subject) {
      throw new UsageError(
        `${pfxPath} was issued by ${details.issuer}, not by ${line.subject}: choose another device ID, name its own line, or replace it with --force.`,
      );
    }
    return { item: { details, pfxPath }, isNew: false };
  }
  const details = await issueDeviceCertificate(line, { registrationId: deviceId });
  const paths = await saveDevice(details, { folder, password, overwrite: force });
  return { item: { details, pfxPath: paths.pfxPath }, isNew: true };
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
