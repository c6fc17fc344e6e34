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
import { ConflictError } from './conflict-error.ts';

/** A folder of certificates and keys, all under one password. */
export interface CertFolder {
  readonly folder: string;
  readonly password: string;
}

/** Something read from the folder, or made and not written yet. */
export interface Made<T> {
  readonly item: T;
  readonly isNew: boolean;
  /** Writes what is new; does nothing for what was read. */
  readonly save: () => Promise<unknown>;
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
    return found(await loadAuthority(location));
  }
  const item = await create();
  return { item, isNew: true, save: () => saveAuthority(item, location) };
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
    if (details.issuer === line.subject) return found({ details, pfxPath });
    throw new ConflictError(
      `${pfxPath} was issued by ${details.issuer}, not by ${line.subject}: choose another device ID, name its own line, or replace it with --force.`,
    );
  }
  const details = await issueDeviceCertificate(line, { registrationId: deviceId });
  const save = (): Promise<unknown> => saveDevice(details, { folder, password, overwrite: force });
  return { item: { details, pfxPath }, isNew: true, save };
}

function found<T>(item: T): Made<T> {
  return { item, isNew: false, save: () => Promise.resolve() };
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
