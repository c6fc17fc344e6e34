import type { Shelf } from '../data/shelf.ts';
import type { HubCertificateAuthority } from './device-certificate.ts';
import { createDefaultPolicies, type SharedAccessPolicy } from './shared-access-policy.ts';

/** Switches of the management plane that take shared access signatures away ("Authenticate with X.509"). */
export interface LocalAuthentication {
  readonly disableDeviceSas: boolean;
  readonly disableModuleSas: boolean;
  /** Shared access policies are of no use to the service plane either. */
  readonly disableLocalAuth: boolean;
}

/** By what a hub lets devices and back ends in; connections that are open stay when it changes. */
export class HubAccess {
  authorities: readonly HubCertificateAuthority[] = [];
  localAuthentication: LocalAuthentication = {
    disableDeviceSas: false,
    disableModuleSas: false,
    disableLocalAuth: false,
  };
  readonly #policies: { current: readonly SharedAccessPolicy[] };

  constructor(shelf: Shelf, randomBytes: (size: number) => Uint8Array) {
    this.#policies = shelf.value('policies', () => createDefaultPolicies(randomBytes));
  }

  get policies(): readonly SharedAccessPolicy[] {
    return this.#policies.current;
  }

  set policies(policies: readonly SharedAccessPolicy[]) {
    this.#policies.current = policies;
  }

  policy(name: string): SharedAccessPolicy | undefined {
    return this.policies.find((candidate) => candidate.name === name);
  }
}
