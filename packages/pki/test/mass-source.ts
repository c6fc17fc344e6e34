import { generateKeyPairSync } from 'node:crypto';
import {
  createDeviceRequest,
  createLineAuthority,
  createRootAuthority,
  issueMany,
  type CertificateAuthority,
  type IssueManyOptions,
  type KeyAlgorithm,
  type RequestItem,
} from '../src/index.ts';
import type { IssuedCredential, IssuedDevice } from '../src/index.ts';
import { collect } from './inventory-engines.ts';

/** A line of a root of its own. */
export async function createLine(
  keyAlgorithm: KeyAlgorithm = 'P-256',
  now: Date = new Date(),
): Promise<CertificateAuthority> {
  const root = await createRootAuthority({ commonName: 'Contoso Root CA', now });
  return createLineAuthority(root, { lineName: 'Line 1', keyAlgorithm, now });
}

/** `device-0`, `device-1`, and so on. */
export function deviceIds(count: number, prefix = 'device'): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
}

/** Requests of devices with new keys. */
export async function makeRequests(registrationIds: readonly string[], curve = 'P-256'): Promise<RequestItem[]> {
  return Promise.all(
    registrationIds.map(async (registrationId) => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: curve });
      return { csr: await createDeviceRequest({ registrationId, key: privateKey }) };
    }),
  );
}

/** In this thread: the source of this package can't be loaded by a worker, its build is tested in mass-threads.test.ts. */
export function issueIds(
  ids: Iterable<string>,
  options: IssueManyOptions<IssuedCredential>,
): Promise<IssuedCredential[]> {
  return collect(issueMany(ids, { threads: 0, ...options }));
}

/** As issueIds; of any device, unless the options say otherwise. */
export function issueRequests(requests: Iterable<RequestItem>, options: IssueManyOptions): Promise<IssuedDevice[]> {
  return collect(issueMany(requests, { threads: 0, allow: 'any', ...options }));
}
