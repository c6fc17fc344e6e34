import { beforeAll, beforeEach } from '@jest/globals';
import {
  checkPrerequisites,
  ensureEnrollmentGroup,
  ensureRootCertificate,
  getDeviceIdentity,
  getEnrollmentGroup,
  getIndividualEnrollment,
  getRegistrationRecord,
} from '@contoso/dps-admin';
import type { AzureSession, RestRequest } from '@contoso/dps-admin';
import { createLineAuthority, createRootAuthority, issueDeviceCertificate } from '@contoso/pki';
import type { CertificateAuthority, DeviceCredential } from '@contoso/pki';
import { names, prover, useAzure } from '../../dps-admin/test/azure.ts';
import { registerDevice } from '../../dps-admin/test/device.ts';
import type { CleanupRequest } from '../src/index.ts';

export const secondHub = 'contoso-hub-two';

/** A line of its own with one device that has registered, made anew for each test. */
export interface TestFactory {
  readonly session: AzureSession;
  readonly root: CertificateAuthority;
  readonly line: CertificateAuthority;
  readonly device: DeviceCredential;
  readonly request: CleanupRequest & { readonly enrollmentGroupId: string };
  readonly hubHost: (hubName: string) => string;
  readonly register: (device: DeviceCredential) => Promise<string>;
  /** What is left of the device and its group. */
  readonly look: () => Promise<Remains>;
}

export interface Remains {
  readonly group: 'enabled' | 'disabled' | 'gone';
  readonly identity: 'there' | 'gone';
  readonly record: 'there' | 'gone';
  readonly individual: 'enabled' | 'disabled' | 'none';
}

export const untouched: Remains = { group: 'enabled', identity: 'there', record: 'there', individual: 'none' };
export const allGone: Remains = { group: 'gone', identity: 'gone', record: 'gone', individual: 'none' };

const { resourceGroup, dpsName, hubName } = names;

export function useFactory(): TestFactory {
  const test = useAzure({ isSetUp: false });
  let root: CertificateAuthority;
  let line: CertificateAuthority;
  let device: DeviceCredential;
  let counter = 0;
  beforeAll(async () => {
    const hubNames = [hubName, secondHub];
    await checkPrerequisites(test.session, {
      resourceGroup,
      dpsName,
      hubNames,
      location: 'westeurope',
      createMissing: true,
    });
    root = await createRootAuthority({ commonName: 'Contoso Root' });
    const { certificatePem } = root;
    await ensureRootCertificate(test.session, { resourceGroup, dpsName, certificatePem, signProof: prover(root) });
  });
  const register = async (one: DeviceCredential): Promise<string> =>
    (await registerDevice(test.azure.cloud, { idScope: test.azure.dps(dpsName).idScope, device: one })).result;
  const hubHost = (name: string): string => `${name}.${test.azure.cloud.hubSuffix}`;
  beforeEach(async () => {
    counter += 1;
    line = await createLineAuthority(root, { lineName: `Line ${counter}` });
    device = await issueDeviceCertificate(line, { registrationId: `device-${counter}` });
    await ensureEnrollmentGroup(test.session, {
      dpsName,
      enrollmentGroupId: `line-${counter}`,
      certificatePem: line.certificatePem,
      iotHubs: [hubHost(hubName)],
    });
    const result = await register(device);
    if (result !== 'assigned') throw new Error(`The device is ${result}, not assigned.`);
  });
  return {
    get session() {
      return test.session;
    },
    get root() {
      return root;
    },
    get line() {
      return line;
    },
    get device() {
      return device;
    },
    get request() {
      return {
        resourceGroup,
        dpsName,
        iotHubName: hubName,
        deviceId: device.registrationId,
        enrollmentGroupId: `line-${counter}`,
      };
    },
    hubHost,
    register,
    look: () => lookAt(test.session, { device, enrollmentGroupId: `line-${counter}`, hubHostName: hubHost(hubName) }),
  };
}

async function lookAt(
  session: AzureSession,
  {
    device,
    enrollmentGroupId,
    hubHostName,
  }: { device: DeviceCredential; enrollmentGroupId: string; hubHostName: string },
): Promise<Remains> {
  const { registrationId } = device;
  const [group, identity, record, individual] = await Promise.all([
    getEnrollmentGroup(session, { dpsName, enrollmentGroupId }),
    getDeviceIdentity(session, { hubHostName, deviceId: registrationId }),
    getRegistrationRecord(session, { dpsName, registrationId }),
    getIndividualEnrollment(session, { dpsName, registrationId }),
  ]);
  return {
    group: group?.provisioningStatus ?? 'gone',
    identity: identity === undefined ? 'gone' : 'there',
    record: record === undefined ? 'gone' : 'there',
    individual: individual?.provisioningStatus ?? 'none',
  };
}

/** The same session where no hub listens: its requests go to a port that nobody has. */
export function withHubsDown(session: AzureSession): AzureSession {
  return {
    ...session,
    hubService: {
      send: (request: RestRequest) =>
        session.hubService.send({ ...request, url: request.url.replace(/:\d+\//, ':1/') }),
    },
  };
}
