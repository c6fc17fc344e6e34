import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceConfig } from './config.ts';

/** Files that only root may read, by their key in the configuration. */
export function credentialFiles({ identity, proxy }: ServiceConfig): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const add = (key: string, file: string | undefined): void => {
    if (file !== undefined) files.set(key, file);
  };
  if ('pfxFile' in identity) add('identity.pfxFile', identity.pfxFile);
  else add('identity.chainFile', identity.chainFile);
  if ('keyFile' in identity) add('identity.keyFile', identity.keyFile);
  if ('pkcs11' in identity) add('identity.pkcs11.pinFile', identity.pkcs11.pinFile);
  else add('identity.passwordFile', identity.passwordFile);
  add('proxy.passwordFile', proxy?.passwordFile);
  return files;
}

/**
 * Where to read such a file. A unit that runs as a user of its own can't read what is root's: systemd hands it a copy (the
 * unit's `LoadCredential=`), named by the key.
 *
 * @param folder - the variable CREDENTIALS_DIRECTORY that systemd sets
 */
export function credentialPath(key: string, file: string, folder = process.env['CREDENTIALS_DIRECTORY']): string {
  const copy = folder === undefined ? undefined : join(folder, key);
  return copy !== undefined && existsSync(copy) ? copy : file;
}
