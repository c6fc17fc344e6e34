import { createPublicKey, generateKeyPairSync, KeyObject, randomBytes, sign, verify, webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import {
  createDeviceRequest,
  createLineAuthority,
  createRootAuthority,
  isSoftwareKey,
  issueMany,
  type CertificateAuthority,
  type IssueManyOptions,
  type RequestItem,
} from '@contoso/pki';
import { openInventory } from '@contoso/pki/inventory';
import { issueRaw, type RawMaterial } from './pki-raw.ts';

/** A line with its key in memory. */
export interface Material extends RawMaterial {
  line: CertificateAuthority;
}

/** Does the thing a number of times, and resolves when all are done. */
export type Way = (count: number) => Promise<void>;

export async function createMaterial(): Promise<Material> {
  const root = await createRootAuthority({ commonName: 'Bench Root CA' });
  const line = await createLineAuthority(root, { lineName: 'bench-line' });
  if (!isSoftwareKey(line.key)) throw new Error('the line has no software key');
  return { line, key: line.key.keyObject, toBeSigned: randomBytes(420) };
}

export function rawIssuing(material: Material): Way {
  return async (count) => {
    issueRaw(material, count);
    await Promise.resolve();
  };
}

/** The raw limit on several cores: the same loop in worker threads. */
export function rawIssuingInThreads({ key, toBeSigned }: Material, threads: number): Way {
  return async (count) => {
    const run = async (): Promise<void> => {
      const workerData = { key, toBeSigned, count: Math.ceil(count / threads) };
      const [code] = (await once(
        new Worker(new URL('./pki-raw-worker.js', import.meta.url), { workerData }),
        'exit',
      )) as [number];
      if (code !== 0) throw new Error('a raw worker failed');
    };
    await Promise.all(Array.from({ length: threads }, run));
  };
}

/**
 * The raw limit for requests: one verification with the key that came as octets, and one signature. Of Node's ways to a key
 * out of octets Web Crypto's `raw` import is the fastest (33 us; JWK 44, SPKI 86).
 */
export function rawRequestSigning({ key, toBeSigned }: Material): Way {
  const device = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const point = device.publicKey.export({ format: 'der', type: 'spki' }).subarray(-65);
  const signature = sign('sha256', toBeSigned, device.privateKey);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  return async (count) => {
    for (let index = 0; index < count; index += 1) {
      const publicKey = await webcrypto.subtle.importKey('raw', point, algorithm, true, ['verify']);
      if (!verify('sha256', toBeSigned, KeyObject.from(publicKey), signature)) throw new Error('not verified');
      sign('sha256', toBeSigned, key);
    }
  };
}

/** The same with a key that has been imported before, as if all requests had one key: what no signer of requests can do. */
export function preparedRequestSigning({ key, toBeSigned }: Material): Way {
  const device = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKey = createPublicKey(device.privateKey);
  const signature = sign('sha256', toBeSigned, device.privateKey);
  return async (count) => {
    for (let index = 0; index < count; index += 1) {
      if (!verify('sha256', toBeSigned, publicKey, signature)) throw new Error('not verified');
      sign('sha256', toBeSigned, key);
    }
    await Promise.resolve();
  };
}

/** issueMany with keys made at the station; certificate and key of every device are looked at. */
export function massIssuing(options: Omit<IssueManyOptions, 'receiver'>): Way {
  return async (count) => {
    let octets = 0;
    for await (const { certificateDer, privateKeyDer } of issueMany(deviceIds(count), options)) {
      octets += certificateDer.length + privateKeyDer.length;
    }
    if (octets < count * 500) throw new Error('devices are missing');
  };
}

/** issueMany with a new inventory in a file. */
export function massIssuingWithInventory(options: IssueManyOptions, path: string): Way {
  return async (count) => {
    for (const ending of ['', '-wal', '-shm']) await rm(`${path}${ending}`, { force: true });
    const inventory = await openInventory(path);
    await massIssuing({ ...options, inventory, station: 'bench', orderedBy: 'bench' })(count);
    await inventory.close();
  };
}

export async function makeRequests(count: number): Promise<RequestItem[]> {
  const requests: RequestItem[] = [];
  for (const registrationId of deviceIds(count)) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    requests.push({ csr: await createDeviceRequest({ registrationId, key: privateKey }) });
  }
  return requests;
}

export function massRequestSigning(options: IssueManyOptions, requests: readonly RequestItem[]): Way {
  return async (count) => {
    let octets = 0;
    for await (const { certificateDer } of issueMany(requests.slice(0, count), options))
      octets += certificateDer.length;
    if (octets < count * 400) throw new Error('devices are missing');
  };
}

export function* deviceIds(count: number): Generator<string> {
  for (let index = 0; index < count; index += 1) yield `thermostat-${String(index).padStart(8, '0')}`;
}
