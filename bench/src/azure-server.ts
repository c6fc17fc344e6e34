import { fork } from 'node:child_process';
import { once } from 'node:events';

/** A device as the factory hands it over. */
export interface Credential {
  readonly registrationId: string;
  readonly chainPem: string;
  readonly privateKeyPem: string;
}

/** A set-up Azure with devices that it has not seen yet. */
export interface AzureReady {
  readonly endpoint: string;
  readonly idScope: string;
  readonly trustedRootsPem: string;
  readonly credentials: readonly Credential[];
}

/** Starts the emulator in another process; it ends with ours. */
export async function startAzureServer(devices: number): Promise<AzureReady & { readonly stop: () => Promise<void> }> {
  const child = fork(new URL('./azure-process.js', import.meta.url), [String(devices)]);
  const exited = once(child, 'exit');
  const ready = await Promise.race([
    once(child, 'message').then(([message]) => message as AzureReady),
    exited.then(() => {
      throw new Error('The emulator ended before it was ready; what it said stands above.');
    }),
  ]);
  return {
    ...ready,
    stop: async () => {
      child.disconnect();
      await exited;
    },
  };
}
