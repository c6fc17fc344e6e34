import { readFile } from 'node:fs/promises';
import { DeviceAgentError, textOf } from '../errors.ts';
import { configError } from './config.ts';
import { credentialPath } from './credentials.ts';

/** Where a secret is: in a file of its own, or in an environment variable. */
export type SecretPlace = { readonly file: string } | { readonly variable: string };

/**
 * The place that the keys `{key}File` and `{key}Variable` name; undefined where neither is there.
 *
 * @param key - what is secret, such as `identity.password`
 * @throws {DeviceAgentError} ERR_AGENT_CONFIG
 */
export function secretPlace(
  key: string,
  file: string | undefined,
  variable: string | undefined,
): SecretPlace | undefined {
  if (file !== undefined && variable !== undefined) {
    throw configError(`${key}File and ${key}Variable are both there.`, 'Keep one of them.');
  }
  if (file !== undefined) return { file: credentialPath(`${key}File`, file) };
  return variable === undefined ? undefined : { variable };
}

/**
 * The secret, without the line end that an editor leaves behind it.
 *
 * @throws {DeviceAgentError} ERR_AGENT_SECRET
 */
export async function readSecret(key: string, place: SecretPlace): Promise<string> {
  if ('variable' in place) {
    const secret = process.env[place.variable] ?? '';
    if (secret !== '') return secret;
    throw notReadable(`${key}Variable ${place.variable} is not set.`, 'Put the secret there, for this service alone.');
  }
  const secret = (await readText(`${key}File`, place.file)).replace(/\r?\n$/, '');
  if (secret !== '') return secret;
  throw notReadable(`${key}File ${place.file} is empty.`, 'Put the secret there.');
}

/**
 * PEM roots that are trusted beside Node's own.
 *
 * @throws {DeviceAgentError} ERR_AGENT_SECRET
 */
export async function readRoots(key: string, file: string): Promise<string> {
  const pem = await readText(key, file);
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
  throw notReadable(`${key} ${file} holds no certificate in PEM.`, 'Convert it, or give another file.');
}

async function readText(key: string, file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw notReadable(`Can't read ${key}: ${textOf(cause)}.`, 'Check the path and its permissions.', cause);
  });
}

/** Not the configuration's fault: the file may come, with its disk or from whoever writes it. */
function notReadable(message: string, advice: string, cause?: unknown): DeviceAgentError {
  return new DeviceAgentError('ERR_AGENT_SECRET', message, { advice, ...(cause !== undefined && { cause }) });
}
