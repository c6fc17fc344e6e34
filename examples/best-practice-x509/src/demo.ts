import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAzureIot } from '@contoso/azure-iot-emulator';
import { createAzureSession } from '@contoso/dps-admin';
import { tellStory } from './demo-story.ts';
import { randomPassword } from './password.ts';
import type { Reporter } from './reporter.ts';
import { UsageError } from './usage-error.ts';

export interface DemoOptions {
  /** Thermostats on each of the two production lines. */
  readonly devicesPerLine: number;
  /** Folder to keep certificates, keys and state in; undefined: a temporary one, removed at the end. */
  readonly keepFolder: string | undefined;
}

/** The whole sample on an emulator of its own: loopback only, free ports, nothing left running and nothing left behind. */
export async function runDemo(
  { devicesPerLine, keepFolder }: DemoOptions,
  reporter: Reporter,
): Promise<Readonly<Record<string, unknown>>> {
  const startedAt = Date.now();
  const folder =
    keepFolder === undefined ? await mkdtemp(join(tmpdir(), 'contoso-demo-')) : await makeEmpty(keepFolder);
  const cleanUp: (() => unknown)[] = [
    () => (keepFolder === undefined ? rm(folder, { recursive: true, force: true }) : undefined),
  ];
  const end = async (): Promise<void> => {
    for (const step of cleanUp.splice(0).reverse()) await step();
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    void end().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
  };
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    const azure = await startAzureIot({ folder: join(folder, 'emulator') });
    cleanUp.push(() => azure.close());
    reporter.step('Local Azure started', {
      resourceManager: azure.cloud.resourceManagerEndpoint,
      devices: azure.cloud.provisioningDeviceEndpoint,
    });
    const session = await createAzureSession({ cloud: azure.cloud, pollIntervalMs: 100 });
    cleanUp.push(() => session.close());
    const summary = await tellStory({
      azure,
      session,
      reporter,
      folder,
      password: randomPassword(),
      devicesPerLine,
      onOpened: (close) => cleanUp.push(close),
    });
    return { ...summary, ...(keepFolder !== undefined && { kept: folder }), seconds: (Date.now() - startedAt) / 1000 };
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    await end();
  }
}

/** Keys of an earlier run are under a password that nobody has: they are not overwritten, and not mixed with. */
async function makeEmpty(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await readdir(folder)).length > 0)
    throw new UsageError(`${folder} is not empty: name a new folder with --keep.`);
  return folder;
}
