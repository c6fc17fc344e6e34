import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { EmulatorError } from '../errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../hub/json.ts';
import {
  type FieldCheck,
  type FieldChecks,
  findFieldProblem,
  number,
  object,
  oneOf,
  text,
  texts,
} from '../json-field.ts';

/** A device of a {@link SeedHub}; what isn't named is as the hub makes it. */
export interface SeedDevice {
  readonly deviceId: string;
  readonly status?: 'enabled' | 'disabled';
  /** As in the hub's identity registry: `{ "type": "selfSigned", "x509Thumbprint": .. }` and others. */
  readonly authentication?: JsonObject;
  readonly tags?: JsonObject;
  /** Desired properties. */
  readonly desired?: JsonObject;
}

/** A CA certificate of a hub or DPS. */
export interface SeedCertificate {
  readonly name: string;
  /** PEM or base64 of DER; or else `file`. */
  readonly certificate?: string;
  /** Path of a PEM file, from the seed's folder. */
  readonly file?: string;
}

/** Keys of shared access policies by the policies' names, base64; for programs with a connection string built in. */
export type SeedKeys = Readonly<Record<string, { readonly primaryKey: string; readonly secondaryKey?: string }>>;

/** A hub that a seed declares. */
export interface SeedHub {
  readonly name: string;
  /** Default S1. */
  readonly sku?: 'F1' | 'S1' | 'S2' | 'S3' | 'B1' | 'B2' | 'B3';
  /** Default 1. */
  readonly units?: number;
  /** Default westeurope. */
  readonly location?: string;
  /** Of the policies that every hub has, such as `iothubowner`; a key that isn't named is made up. */
  readonly sharedAccessKeys?: SeedKeys;
  /** They count as verified. */
  readonly certificates?: readonly SeedCertificate[];
  readonly devices?: readonly SeedDevice[];
}

/** A Device Provisioning Service that a seed declares. */
export interface SeedProvisioningService {
  readonly name: string;
  /** Default westeurope. */
  readonly location?: string;
  /** Names of hubs, of the seed or there already. */
  readonly linkedHubs?: readonly string[];
  readonly allocationPolicy?: 'Hashed' | 'GeoLatency' | 'Static';
  /** Of the one policy that every DPS has, `provisioningserviceowner`. */
  readonly sharedAccessKeys?: SeedKeys;
  /** They count as verified. */
  readonly certificates?: readonly SeedCertificate[];
  /** As DPS's service API has them, each with its enrollmentGroupId. */
  readonly enrollmentGroups?: readonly JsonObject[];
  /** As DPS's service API has them, each with its registrationId. */
  readonly enrollments?: readonly JsonObject[];
}

/** What is to exist in an emulator. */
export interface Seed {
  /** Default emulator. */
  readonly resourceGroup?: string;
  readonly hubs?: readonly SeedHub[];
  readonly provisioningServices?: readonly SeedProvisioningService[];
}

/** What applying a seed did, entry by entry, for example `hubs[0].devices[1]`. */
export interface SeedReport {
  readonly written: readonly string[];
  /** They were as the seed says already. */
  readonly unchanged: readonly string[];
}

const list: FieldCheck = (value) => (Array.isArray(value) ? undefined : 'an array');
const certificateFields: FieldChecks = { 'name!': text, certificate: text, file: text };
const deviceFields: FieldChecks = {
  'deviceId!': text,
  status: oneOf('enabled', 'disabled'),
  authentication: object,
  tags: object,
  desired: object,
};
const hubFields: FieldChecks = {
  'name!': text,
  sku: oneOf('F1', 'S1', 'S2', 'S3', 'B1', 'B2', 'B3'),
  units: number(1, 200, { isWhole: true }),
  location: text,
  sharedAccessKeys: object,
  certificates: list,
  devices: list,
};
const serviceFields: FieldChecks = {
  'name!': text,
  location: text,
  linkedHubs: texts,
  allocationPolicy: oneOf('Hashed', 'GeoLatency', 'Static'),
  sharedAccessKeys: object,
  certificates: list,
  enrollmentGroups: list,
  enrollments: list,
};

/**
 * Reads a seed, from a file where a path is given, and checks its shape; files of certificates are read too.
 *
 * @throws {EmulatorError} ERR_EMULATOR_SEED: names the entry, what was expected and what was found
 */
export async function readSeed(seed: Seed | string): Promise<Seed> {
  const folder = typeof seed === 'string' ? dirname(resolve(seed)) : process.cwd();
  const json = typeof seed === 'string' ? await readJson(seed) : (seed as unknown as JsonValue);
  checkEntry('the seed', json, { resourceGroup: text, hubs: list, provisioningServices: list });
  const { hubs = [], provisioningServices = [], ...rest } = json as unknown as Seed;
  checkAll('hubs', hubs, hubFields);
  checkAll('provisioningServices', provisioningServices, serviceFields);
  for (const [index, hub] of hubs.entries()) checkAll(`hubs[${index}].devices`, hub.devices, deviceFields);
  for (const [index, service] of provisioningServices.entries()) {
    checkBodies(`provisioningServices[${index}].enrollmentGroups`, service.enrollmentGroups, 'enrollmentGroupId');
    checkBodies(`provisioningServices[${index}].enrollments`, service.enrollments, 'registrationId');
  }
  return {
    ...rest,
    hubs: await withCertificates('hubs', hubs, folder),
    provisioningServices: await withCertificates('provisioningServices', provisioningServices, folder),
  };
}

async function readJson(path: string): Promise<JsonValue> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as JsonValue;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EmulatorError('ERR_EMULATOR_SEED', `Seed ${path}: expected a file of JSON, found: ${reason}`, { cause });
  }
}

function checkAll(where: string, entries: readonly unknown[] | undefined, fields: FieldChecks): void {
  for (const [index, entry] of (entries ?? []).entries()) checkEntry(`${where}[${index}]`, entry, fields);
}

function checkEntry(where: string, entry: unknown, fields: FieldChecks): void {
  if (!isJsonObject(entry)) throw seedError(where, 'an object', JSON.stringify(entry));
  const problem = findFieldProblem(entry, fields);
  if (problem) throw seedError(`${where}.${problem.field}`, problem.expected, problem.found);
}

/** Bodies that DPS itself reads; only what tells them apart is looked at here. */
function checkBodies(where: string, entries: readonly unknown[] | undefined, idField: string): void {
  for (const [index, entry] of (entries ?? []).entries()) {
    const id = isJsonObject(entry) ? entry[idField] : undefined;
    if (typeof id !== 'string')
      throw seedError(`${where}[${index}].${idField}`, 'a text', id === undefined ? 'nothing' : JSON.stringify(id));
  }
}

async function withCertificates<Owner extends { readonly certificates?: readonly SeedCertificate[] }>(
  where: string,
  owners: readonly Owner[],
  folder: string,
): Promise<Owner[]> {
  return Promise.all(
    owners.map(async (owner, index) => {
      checkAll(`${where}[${index}].certificates`, owner.certificates, certificateFields);
      if (owner.certificates === undefined) return owner;
      const certificates = await Promise.all(
        owner.certificates.map((entry, at) =>
          readCertificateFile(`${where}[${index}].certificates[${at}]`, entry, folder),
        ),
      );
      return { ...owner, certificates };
    }),
  );
}

async function readCertificateFile(where: string, entry: SeedCertificate, folder: string): Promise<SeedCertificate> {
  const { name, certificate, file } = entry;
  if (certificate !== undefined) return { name, certificate };
  if (file === undefined) throw seedError(where, 'certificate or file', 'neither');
  try {
    return { name, certificate: await readFile(resolve(folder, file), 'utf8') };
  } catch (cause) {
    throw seedError(`${where}.file`, 'a file that can be read', file, cause);
  }
}

/** An error that names an entry of a seed. */
export function seedError(where: string, expected: string, found: string, cause?: unknown): EmulatorError {
  return new EmulatorError('ERR_EMULATOR_SEED', `Seed, ${where}: expected ${expected}, found ${found}.`, { cause });
}
