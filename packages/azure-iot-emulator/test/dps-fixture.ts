import { type AzureIotEmulator, startAzureIot, type StartAzureIotOptions } from '../src/index.ts';
import { chainPem, type Issued, issue, issueRoot } from './dps-certificates.ts';
import { runChild } from './start-child.ts';
import { createLinkedServices, createManagementClients, type ManagementClients } from './start-clients.ts';

/** One device's part in a child's registrations. */
export interface DeviceCredentials {
  readonly registrationId: string;
  /** PEM, leaf first. */
  readonly cert: string;
  readonly key: string;
}

/** What became of a registration through azure-iot-provisioning-device. */
export interface Outcome {
  readonly registrationId: string;
  readonly registered?: {
    readonly assignedHub: string;
    readonly deviceId: string;
    readonly status: string;
    readonly substatus: string;
  };
  readonly error?: { readonly name: string; readonly message: string; readonly body?: unknown };
}

/** What became of a call through azure-iot-provisioning-service. */
export interface ServiceOutcome {
  readonly value?: unknown;
  readonly error?: { readonly name: string; readonly body: { readonly errorCode: number; readonly message: string } };
}

/** An emulator with a hub, a DPS, and a verified root, made as a user makes them. */
export interface DpsFixture {
  readonly emulator: AzureIotEmulator;
  readonly clients: ManagementClients;
  readonly idScope: string;
  readonly hubHost: string;
  readonly root: Issued;
  /** Lines of the emulator's log, newest last. */
  readonly log: string[];
  readonly names: { readonly group: string; readonly hub: string; readonly dps: string };
  register(devices: readonly DeviceCredentials[], transport?: 'Mqtt' | 'MqttWs'): Promise<readonly Outcome[]>;
  service(calls: readonly (readonly unknown[])[]): Promise<readonly ServiceOutcome[]>;
}

const names = { group: 'contoso', hub: 'contoso-hub', dps: 'contoso-dps' };

export async function startDpsFixture(options: StartAzureIotOptions = {}): Promise<DpsFixture> {
  const log: string[] = [];
  const emulator = await startAzureIot({ log: (line) => log.push(line), ...options });
  const clients = createManagementClients(emulator);
  const { idScope, hubHost } = await createLinkedServices(clients, names);
  const root = await issueRoot('Contoso Root');
  await uploadVerified(clients, 'root', root);
  const owner = await clients.dps.iotDpsResource.listKeysForKeyName(names.dps, 'provisioningserviceowner', names.group);
  // Without ports: the clients add their own fixed ones, and the hook leads those to the emulator.
  const connectionString = `HostName=contoso-dps.azure-devices-provisioning.localhost;SharedAccessKeyName=${owner.keyName};SharedAccessKey=${owner.primaryKey ?? ''}`;
  return {
    emulator,
    clients,
    idScope,
    hubHost,
    root,
    log,
    names,
    register: async (devices, transport = 'Mqtt') => {
      const endpoint = emulator.cloud.provisioningDeviceEndpoint;
      const host = transport === 'Mqtt' ? endpoint : endpoint.replace(/:\d+$/, '');
      return (await runChild(emulator, 'dps-register-child.mjs', { host, idScope, transport, devices })) as Outcome[];
    },
    service: async (calls) =>
      (await runChild(emulator, 'dps-service-child.mjs', { connectionString, calls })) as ServiceOutcome[],
  };
}

/** Uploads an authority to the DPS and proves possession of its key. */
export async function uploadVerified({ dps }: ManagementClients, name: string, authority: Issued): Promise<void> {
  const { dpsCertificate } = dps;
  const { etag = '' } = await dpsCertificate.createOrUpdate(names.group, names.dps, name, {
    properties: { certificate: Buffer.from(authority.base64, 'base64') },
  });
  const { etag: next = '', properties } = await dpsCertificate.generateVerificationCode(
    name,
    etag,
    names.group,
    names.dps,
  );
  const proof = await issue({ commonName: properties?.verificationCode ?? '', issuer: authority });
  await dpsCertificate.verifyCertificate(name, next, names.group, names.dps, { certificate: proof.base64 });
}

/** A device of a line: its certificate with what it presents above it. */
export async function issueDevice(
  registrationId: string,
  issuers: readonly Issued[],
  options: Partial<Parameters<typeof issue>[0]> = {},
): Promise<DeviceCredentials> {
  const [issuer] = issuers;
  const device = await issue({ commonName: registrationId, ...(issuer && { issuer }), ...options });
  return { registrationId, cert: chainPem(device, ...issuers), key: device.keyPem };
}

/** Body of an enrollment group with a line's certificate. */
export function groupOf(
  enrollmentGroupId: string,
  line: Issued,
  extra: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return {
    enrollmentGroupId,
    attestation: { type: 'x509', x509: { signingCertificates: { primary: { certificate: line.pem } } } },
    ...extra,
  };
}
