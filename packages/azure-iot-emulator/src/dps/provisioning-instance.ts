import type { Shelf } from '../data/shelf.ts';
import { looseShelf } from '../data/store.ts';
import type { StoredMap } from '../data/stored-map.ts';
import type { Certificate } from '../certificates/certificate.ts';
import { defaultDpsLimits, type DpsLimits } from './dps-limits.ts';
import { EnrollmentStore } from './enrollment-store.ts';
import { RegistrationStore } from './registration-record.ts';
import { registrationKey } from './registration-id.ts';

/** Rights of DPS's shared access policies. */
export type ProvisioningRight =
  | 'ServiceConfig'
  | 'EnrollmentRead'
  | 'EnrollmentWrite'
  | 'DeviceConnect'
  | 'RegistrationStatusRead'
  | 'RegistrationStatusWrite';

/** A shared access policy with its keys. */
export interface ProvisioningPolicy {
  readonly name: string;
  readonly rights: readonly ProvisioningRight[];
  /** Base64. */
  readonly primaryKey: string;
  readonly secondaryKey: string;
}

/** A hub that a DPS instance may assign devices to. */
export interface LinkedHub {
  /** As in the connection string, with the port where it has one. */
  readonly hostName: string;
  readonly policyName: string;
  readonly key: string;
  /** 1 to 1000; absent counts as 1. */
  readonly allocationWeight?: number;
  /** False: only where an enrollment names the hub. Absent counts as true. */
  readonly applyAllocationPolicy?: boolean;
}

/** A CA certificate of a DPS instance. */
export interface CertificateAuthority {
  readonly name: string;
  readonly certificate: Certificate;
  readonly isVerified: boolean;
}

/** What the management plane may change of an instance. */
export interface ProvisioningSettings {
  readonly allocationPolicy: 'hashed' | 'geoLatency' | 'static';
  readonly linkedHubs: readonly LinkedHub[];
  readonly policies: readonly ProvisioningPolicy[];
}

/** Options of {@link ProvisioningInstance}. */
export interface ProvisioningInstanceOptions {
  readonly name: string;
  /** `0ne` and eight upper-case hexadecimal digits. */
  readonly idScope: string;
  readonly settings: ProvisioningSettings;
  readonly certificateAuthorities: () => readonly CertificateAuthority[];
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Default: {@link defaultDpsLimits}. */
  readonly limits?: DpsLimits;
  /** What it keeps; default: everything in memory alone. */
  readonly shelf?: Shelf;
}

/** Devices whose register calls are counted; the first to call are forgotten first. */
const mostCallers = 100_000;

/** One Device Provisioning Service: what its service and device planes work on. */
export class ProvisioningInstance {
  readonly name: string;
  readonly idScope: string;
  readonly enrollments: EnrollmentStore;
  readonly registrations: RegistrationStore;
  readonly #settings: { current: ProvisioningSettings };
  readonly #authorities: () => readonly CertificateAuthority[];
  readonly #registerCalls: StoredMap<number>;

  constructor(options: ProvisioningInstanceOptions) {
    this.name = options.name;
    this.idScope = options.idScope;
    const shelf = options.shelf ?? looseShelf();
    this.#settings = shelf.value('settings', () => options.settings);
    this.#authorities = options.certificateAuthorities;
    this.#registerCalls = shelf.map('registerCalls');
    this.registrations = new RegistrationStore(options.now, shelf);
    this.enrollments = new EnrollmentStore(
      () => ({
        linkedHubNames: this.settings.linkedHubs.map(({ hostName }) => hostName),
        authorityNames: this.certificateAuthorities.map(({ name }) => name),
        limits: options.limits ?? defaultDpsLimits,
      }),
      options.now,
      shelf,
    );
  }

  /** What the management plane may change. */
  get settings(): ProvisioningSettings {
    return this.#settings.current;
  }

  set settings(settings: ProvisioningSettings) {
    this.#settings.current = settings;
  }

  get certificateAuthorities(): readonly CertificateAuthority[] {
    return this.#authorities();
  }

  /** Counts a device's call, whatever comes of it. */
  countRegisterCall(registrationId: string): void {
    const key = registrationKey(registrationId);
    this.#registerCalls.set(key, (this.#registerCalls.get(key) ?? 0) + 1);
    const [oldest] = this.#registerCalls.keys();
    if (this.#registerCalls.size > mostCallers && oldest !== undefined) this.#registerCalls.delete(oldest);
  }

  /** How many register calls a device has made, refused ones included; 0 again where 100,000 others have called since. */
  registerCalls(registrationId: string): number {
    return this.#registerCalls.get(registrationKey(registrationId)) ?? 0;
  }
}

/** The DPS instances that exist now. The management plane creates and deletes them. */
export interface ProvisioningDirectory {
  findByIdScope(idScope: string): ProvisioningInstance | undefined;
  /** `hostName` in any case, with or without the port: `{name}.azure-devices-provisioning.*`. */
  findByHostName(hostName: string): ProvisioningInstance | undefined;
}
