import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { processEnvironment } from './chaos/process-environment.ts';

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

/** What the emulator's process is told: whose connections to cut. */
export interface CutOrder {
  readonly cut: string;
}

export interface AzureServer extends AzureReady {
  /** Resolves when the device's connections are cut. */
  cut(deviceId: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the emulator in another process; it ends with ours. */
export async function startAzureServer(devices: number): Promise<AzureServer> {
  const script = fileURLToPath(new URL('../dist/azure-process.js', import.meta.url));
  const child = fork(script, [String(devices)], { env: processEnvironment(), execArgv: [] });
  const exited = once(child, 'exit');
  const ended = exited.then(() => {
    throw new Error('The emulator ended; what it said stands above.');
  });
  ended.catch(() => undefined);
  const answer = (): Promise<unknown[]> => Promise.race([once(child, 'message'), ended]);
  const [ready] = (await answer()) as [AzureReady];
  return {
    ...ready,
    cut: async (deviceId) => {
      child.send({ cut: deviceId } satisfies CutOrder);
      await answer();
    },
    stop: async () => {
      child.disconnect();
      await exited;
    },
  };
}
