import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceConfig } from './config.ts';

/** Files that only root may read, by their key in the configuration. */
export function credentialFiles({ identity, proxy }: ServiceConfig): ReadonlyMap<string, string> {
  const files = Object.entries(identity).filter(([key]) => key.endsWith('File'));
  const named = files.map(([key, file]) => [`identity.${key}`, file] as const);
  return new Map([
    ...named,
    ...(proxy?.passwordFile === undefined ? [] : [['proxy.passwordFile', proxy.passwordFile] as const]),
  ]);
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
