import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAzureIot, type AzureIotEmulator } from '@contoso/azure-iot-emulator';
import {
  checkPrerequisites,
  createAzureSession,
  ensureEnrollmentGroup,
  ensureRootCertificate,
  type AzureSession,
} from '@contoso/dps-admin';
import {
  createLineAuthority,
  createProofOfPossession,
  createRootAuthority,
  issueDeviceCertificate,
  type CertificateAuthority,
} from '@contoso/pki';
import {
  DeviceAgent,
  loadIdentity,
  type AgentEvent,
  type DeviceAgentOptions,
  type DeviceIdentity,
} from '../src/index.ts';

/** A set-up Azure with one enrolled production line, and what is needed to put devices on it. */
export interface Contoso {
  readonly azure: AzureIotEmulator;
  readonly session: AzureSession;
  readonly idScope: string;
  readonly root: CertificateAuthority;
  readonly line: CertificateAuthority;
  readonly folder: string;
  readonly hub: ReturnType<AzureIotEmulator['hub']>;
  close(): Promise<void>;
}

export const dpsName = 'contoso-dps';
export const hubName = 'contoso-hub';
export const enrollmentGroupId = 'line-1';

export async function startContoso(): Promise<Contoso> {
  const azure = await startAzureIot();
  try {
    return await setUp(azure);
  } catch (error) {
    await azure.close();
    throw error;
  }
}

async function setUp(azure: AzureIotEmulator): Promise<Contoso> {
  const session = await createAzureSession({ cloud: azure.cloud, pollIntervalMs: 20 });
  const folder = await mkdtemp(join(tmpdir(), 'agent-test-'));
  const root = await createRootAuthority({ commonName: 'Contoso Root CA' });
  const line = await createLineAuthority(root, { lineName: 'line-1' });
  const idScope = await enrollLine({ session, root, line }, { dpsName, hubNames: [hubName] });
  return {
    azure,
    session,
    idScope,
    root,
    line,
    folder,
    hub: azure.hub(hubName),
    close: async () => {
      session.close();
      await azure.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Makes a DPS instance with its hubs, and enrolls the line there; returns its ID scope. */
export async function enrollLine(
  { session, root, line }: Pick<Contoso, 'session' | 'root' | 'line'>,
  instance: { readonly dpsName: string; readonly hubNames: readonly string[] },
): Promise<string> {
  const resourceGroup = 'contoso';
  const { dpsName } = instance;
  const { dps } = await checkPrerequisites(session, {
    resourceGroup,
    ...instance,
    location: 'westeurope',
    createMissing: true,
  });
  await ensureRootCertificate(session, {
    resourceGroup,
    dpsName,
    certificatePem: root.certificatePem,
    signProof: async (code) => (await createProofOfPossession(root, code)).certificatePem,
  });
  await ensureEnrollmentGroup(session, { dpsName, enrollmentGroupId, certificatePem: line.certificatePem });
  return dps.idScope;
}

export async function issueIdentity({ line }: Contoso, registrationId: string): Promise<DeviceIdentity> {
  const { chainPem, privateKeyPem } = await issueDeviceCertificate(line, { registrationId });
  return loadIdentity({ chainPem, privateKeyPem });
}

/** An agent with its events, and a way to wait for one. */
export interface Watched {
  readonly agent: DeviceAgent;
  readonly events: AgentEvent[];
  readonly next: <T extends AgentEvent['type']>(
    type: T,
    fits?: (event: Extract<AgentEvent, { type: T }>) => boolean,
  ) => Promise<Extract<AgentEvent, { type: T }>>;
}

export function watchedAgent(
  contoso: Contoso,
  identity: DeviceIdentity,
  options: Partial<DeviceAgentOptions> = {},
): Watched {
  const events: AgentEvent[] = [];
  const listeners = new Set<() => void>();
  const agent = new DeviceAgent({
    identity,
    connectTo: { idScope: contoso.idScope, endpoint: contoso.azure.cloud.provisioningDeviceEndpoint },
    stateFolder: contoso.folder,
    trustedRootsPem: contoso.azure.cloud.trustedRootsPem,
    retryPolicy: { nextDelayMs: () => 0 },
    ...options,
    onEvent: (event) => {
      options.onEvent?.(event);
      events.push(event);
      for (const listener of [...listeners]) listener();
    },
  });
  return {
    agent,
    events,
    next: (type, fits = () => true) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = events.find((event) => event.type === type && fits(event as never));
          if (!found) return;
          listeners.delete(look);
          resolve(found as never);
        };
        listeners.add(look);
        look();
      }),
  };
}

export const statuses = (events: readonly AgentEvent[]): string[] =>
  events.flatMap((event) => (event.type === 'status' ? [event.state.status] : []));
