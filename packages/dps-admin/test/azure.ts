import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import { startAzureIot } from '@contoso/azure-iot-emulator';
import { createLineAuthority, createProofOfPossession, createRootAuthority } from '@contoso/pki';
import type { CertificateAuthority } from '@contoso/pki';
import { checkPrerequisites, createAzureSession } from '../src/index.ts';
import type { AzureSession, AzureSessionOptions } from '../src/index.ts';

type LocalAzure = Awaited<ReturnType<typeof startAzureIot>>;

export const names = { resourceGroup: 'contoso-rg', dpsName: 'contoso-dps', hubName: 'contoso-hub' } as const;

/** An Azure of this test file's own, and a session in it. */
export interface TestAzure {
  readonly azure: LocalAzure;
  readonly session: AzureSession;
  /** A second operator. */
  readonly signIn: (options?: Partial<AzureSessionOptions>) => Promise<AzureSession>;
}

/** Starts Azure before the tests of a file and stops it after them; the object is filled when the tests run. */
export function useAzure({
  isSetUp,
  operationPolls = 0,
  now = Date.now,
}: {
  readonly isSetUp: boolean;
  readonly operationPolls?: number;
  /** Azure's clock. */
  readonly now?: () => number;
}): TestAzure {
  let folder = '';
  const test: { azure?: LocalAzure; session?: AzureSession; sessions: AzureSession[] } = { sessions: [] };
  const signIn = async (options: Partial<AzureSessionOptions> = {}): Promise<AzureSession> => {
    const session = await createAzureSession({
      cloud: test.azure!.cloud,
      pollIntervalMs: 10,
      retryOptions: { maxRetries: 1, retryDelayInMs: 0 },
      ...options,
    });
    test.sessions.push(session);
    return session;
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'azure-'));
    test.azure = await startAzureIot({ folder, operationRetryAfterSeconds: 0, operationPolls, now });
    test.session = await signIn();
    if (isSetUp) await setUp(test.session);
  });
  afterAll(async () => {
    for (const session of test.sessions) session.close();
    await test.azure?.close();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    get azure() {
      return test.azure!;
    },
    get session() {
      return test.session!;
    },
    signIn,
  };
}

/** Resource group, one hub, DPS instance and link. */
export async function setUp(session: AzureSession): Promise<void> {
  await checkPrerequisites(session, {
    resourceGroup: names.resourceGroup,
    dpsName: names.dpsName,
    hubNames: [names.hubName],
    location: 'westeurope',
    createMissing: true,
  });
}

export async function createAuthorities(): Promise<{ root: CertificateAuthority; line: CertificateAuthority }> {
  const root = await createRootAuthority({ commonName: 'Contoso Test Root' });
  return { root, line: await createLineAuthority(root, { lineName: 'Contoso Line A' }) };
}

/** What the operator's tool does with the root's key, which dps-admin never sees. */
export function prover(root: CertificateAuthority): (verificationCode: string) => Promise<string> {
  return async (verificationCode) => (await createProofOfPossession(root, verificationCode)).certificatePem;
}
