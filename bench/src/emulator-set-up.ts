import { X509Certificate } from 'node:crypto';
import {
  checkPrerequisites,
  createAzureSession,
  ensureEnrollmentGroup,
  ensureRootCertificate,
} from '@contoso/dps-admin';
import { createProofOfPossession } from '@contoso/pki';
import type { Fleet, FleetDevice } from './emulator-fleet.ts';
import type { Connection, Place, Registration } from './emulator-load.ts';
import type { HubReady, Server } from './emulator-servers.ts';

export const hubName = 'bench-hub';

/** A hub, a DPS that is linked to it, the root verified, and a group for the line; returns the ID scope. */
export async function setUpAzure(emulator: HubReady, fleet: Fleet): Promise<string> {
  const session = await createAzureSession({ cloud: emulator.cloud, pollIntervalMs: 50 });
  const names = { resourceGroup: 'bench', dpsName: 'bench-dps' };
  const { dps } = await checkPrerequisites(session, {
    ...names,
    hubNames: [hubName],
    location: 'westeurope',
    createMissing: true,
  });
  await ensureRootCertificate(session, {
    ...names,
    certificatePem: fleet.rootPem,
    signProof: async (code) => (await createProofOfPossession(fleet.root, code)).certificatePem,
  });
  await ensureEnrollmentGroup(session, {
    dpsName: names.dpsName,
    enrollmentGroupId: 'bench',
    certificatePem: fleet.line.certificatePem,
  });
  session.close();
  return dps.idScope;
}

export async function provision(emulator: Server, devices: readonly FleetDevice[]): Promise<void> {
  const entries = devices.map(({ deviceId, cert }) => ({
    deviceId,
    thumbprint: new X509Certificate(cert).fingerprint256.replaceAll(':', ''),
  }));
  await emulator.ask({ do: 'provision', hub: hubName, devices: entries });
}

export function placeOf({ port, ca }: Server): Place {
  return { port, servername: 'localhost', ca };
}

export function hubConnections(emulator: HubReady, devices: readonly FleetDevice[]): Connection[] {
  return devices.map(({ deviceId, cert, key }) => ({
    clientId: deviceId,
    username: `${hubName}.${emulator.cloud.hubSuffix}/${deviceId}/?api-version=2021-04-12`,
    cert,
    key,
  }));
}

export function registrationsOf(idScope: string, devices: readonly FleetDevice[]): Registration[] {
  return devices.map(({ deviceId, cert, key }) => ({
    registrationId: deviceId,
    clientId: deviceId,
    username: `${idScope}/registrations/${deviceId}/api-version=2019-03-31`,
    cert,
    key,
  }));
}
