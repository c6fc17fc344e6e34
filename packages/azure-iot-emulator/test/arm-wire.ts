import type { AzureIotEmulator } from '../src/index.ts';
import { type Answer, callHttps } from './start-https.ts';
import { createManagementClients } from './start-clients.ts';

/** Calls Resource Manager with a good token, written out. */
export interface ArmWire {
  (method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
}

/** `path` starts below the subscription unless it starts with a slash. */
export async function createArmWire(emulator: AzureIotEmulator): Promise<ArmWire> {
  const { token } = await createManagementClients(emulator).credential.getToken(
    'https://management.azure.com/.default',
  );
  return (method, path, body, headers) =>
    callHttps(emulator, {
      method,
      path: path.startsWith('/') ? path : `/subscriptions/${emulator.subscriptionId}/${path}`,
      body,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', ...headers },
    });
}
