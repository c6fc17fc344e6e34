import type { ProvisioningInstance } from './dps/provisioning-instance.ts';
import type { RegistrationRecord } from './dps/registration-record.ts';

/** What a program may see of a Device Provisioning Service of the emulator. */
export interface ProvisioningServiceView {
  readonly name: string;
  /** `0ne` and eight upper-case hexadecimal digits. */
  readonly idScope: string;
  /** Registration records as they are now, in the order of their IDs. */
  readonly registrations: readonly RegistrationRecord[];
  /** How many register calls were taken from this registration ID since it was created, refused ones included. */
  registerCalls(registrationId: string): number;
}

/** A view that follows the instance. */
export function viewProvisioningService(instance: ProvisioningInstance): ProvisioningServiceView {
  return {
    name: instance.name,
    idScope: instance.idScope,
    get registrations() {
      return instance.registrations.list();
    },
    registerCalls: (registrationId) => instance.registerCalls(registrationId),
  };
}
