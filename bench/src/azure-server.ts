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

/** Whose connections to cut: what the emulator's process is told, and what it says when it has done it. */
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
  const [ready] = (await Promise.race([once(child, 'message'), exited.then(fail)])) as [AzureReady];
  const cutting = new Map<string, () => void>();
  child.on('message', ({ cut }: CutOrder) => cutting.get(cut)?.());
  return {
    ...ready,
    cut: (deviceId) =>
      new Promise((resolve) => {
        cutting.set(deviceId, resolve);
        child.send({ cut: deviceId } satisfies CutOrder);
      }),
    stop: async () => {
      child.disconnect();
      await exited;
    },
  };
}

function fail(): never {
  throw new Error('The emulator ended before it was ready; what it said stands above.');
}
