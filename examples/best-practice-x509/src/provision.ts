import { DeviceAgent, exponentialBackoff, loadIdentity, provision, type Transport } from '@contoso/device-agent';
import { reportEvent } from './describe-event.ts';
import type { Reporter } from './reporter.ts';
import { Thermostat } from './thermostat.ts';

export interface ProvisionOptions {
  readonly idScope: string;
  /** Path of the PFX. */
  readonly certificateName: string;
  readonly certificatePassword: string;
  readonly globalDeviceEndpoint: string;
  readonly transportType: Transport;
  readonly stateFolder: string;
  /** Tries for the hub before giving up. */
  readonly attempts: number;
  readonly trustedRootsPem: string | undefined;
}

/** What the sample's `X509Sample` prints. */
export interface ProvisionResult {
  readonly registrationId: string;
  readonly status: string;
  readonly substatus: string | undefined;
  readonly assignedHub: string;
  readonly deviceId: string;
  readonly messageId: string;
}

/** Registers one device with DPS, connects it to its hub and sends one telemetry message. */
export async function provisionDevice(options: ProvisionOptions, reporter: Reporter): Promise<ProvisionResult> {
  const identity = await loadIdentity({ pfxFile: options.certificateName, password: options.certificatePassword });
  reporter.step('Certificate read', {
    registrationId: identity.registrationId,
    chain: identity.chainSubjects.join(' <- '),
    validUntil: identity.notAfter.toISOString(),
  });
  const trust = options.trustedRootsPem !== undefined && { trustedRootsPem: options.trustedRootsPem };
  const transport = options.transportType;
  const assignment = await provision({
    identity,
    provisioning: { idScope: options.idScope, endpoint: options.globalDeviceEndpoint },
    transport,
    ...trust,
  });
  const { status, substatus, assignedHub, deviceId, registrationId } = assignment;
  reporter.step('Provisioned', { status, substatus, assignedHub, deviceId });

  const agent = new DeviceAgent({
    identity,
    connectTo: { hostName: assignedHub, deviceId },
    stateFolder: options.stateFolder,
    transport,
    ...trust,
    retryPolicy: exponentialBackoff({ maximumAttempts: options.attempts - 1 }),
    onRefusal: 'end',
    onEvent: (event) => reportEvent(reporter, event),
  });
  await agent.start();
  try {
    const messageId = await agent.send(new Thermostat().measure());
    await agent.flush();
    reporter.step('Telemetry acknowledged by the hub', { messageId });
    return { registrationId, status, substatus, assignedHub, deviceId, messageId };
  } finally {
    await agent.stop();
  }
}
