import type { DeviceIdentity } from '../identity/device-identity.ts';
import { readFact } from '../state/state-summary.ts';
import { Credentials } from './credentials.ts';

/**
 * The credential that an agent with this state folder begins with: a renewed one, or the one given at installation. Reads
 * only, also beside a running agent.
 *
 * @throws the database's own errors
 */
export async function keptCredential(
  stateFolder: string,
  onboarding: DeviceIdentity,
  now: Date,
): Promise<DeviceIdentity> {
  const store = {
    get: (name: string) => readFact(stateFolder, onboarding.registrationId, name),
    put: () => {
      throw new TypeError('This state is only read.');
    },
  };
  // One that is damaged is the agent's to tell; it goes on without, too.
  const credentials = await Credentials.open(store, onboarding, () => undefined);
  const [first = onboarding] = credentials.inOrder(now);
  return first;
}
