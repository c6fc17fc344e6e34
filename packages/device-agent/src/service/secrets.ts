import { readFile } from 'node:fs/promises';
import { textOf } from '../errors.ts';
import { configError } from './config.ts';
import { credentialPath } from './credentials.ts';

/** Where a secret is: in a file of its own, or in an environment variable. */
export interface SecretSource {
  readonly passwordFile?: string;
  readonly passwordVariable?: string;
}

/**
 * The secret, without the line end that an editor leaves behind it; undefined where no source was given.
 *
 * @param owner - the key that it belongs to
 * @throws {DeviceAgentError} ERR_AGENT_CONFIG
 */
export async function readSecret(owner: string, source: SecretSource): Promise<string | undefined> {
  const { passwordFile, passwordVariable } = source;
  if (passwordFile !== undefined && passwordVariable !== undefined) {
    throw configError(`${owner} names both a passwordFile and a passwordVariable: keep one of them.`);
  }
  if (passwordFile !== undefined) {
    const text = await readText(`${owner}.passwordFile`, credentialPath(`${owner}.passwordFile`, passwordFile));
    return notEmpty(text.replace(/\r?\n$/, ''), `${owner}.passwordFile ${passwordFile} is empty`);
  }
  if (passwordVariable === undefined) return undefined;
  return notEmpty(process.env[passwordVariable] ?? '', `${owner}.passwordVariable ${passwordVariable} is not set`);
}

/**
 * PEM roots that are trusted beside Node's own.
 *
 * @throws {DeviceAgentError} ERR_AGENT_CONFIG
 */
export async function readRoots(key: string, file: string): Promise<string> {
  const pem = await readText(key, file);
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
  throw configError(`${key} ${file} holds no certificate in PEM: convert it, or give another file.`);
}

async function readText(key: string, file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw configError(`Can't read ${key}: ${textOf(cause)}. Check the path and its permissions.`, cause);
  });
}

function notEmpty(secret: string, problem: string): string {
  if (secret === '') throw configError(`${problem}: put the password there.`);
  return secret;
}
