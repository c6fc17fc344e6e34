import {
  checkPrerequisites,
  createEnrollmentGroup,
  ensureEnrollmentGroup,
  ensureRootCertificate,
  getEnrollmentGroup,
  type AzureSession,
} from '@contoso/dps-admin';
import { checkRegistrationId, createProofOfPossession, thumbprints } from '@contoso/pki';
import { openDevice, openLine, openRoot } from './factory.ts';
import type { Reporter } from './reporter.ts';

export interface SetupOptions {
  readonly certFolderPath: string;
  readonly rootCertPassword: string;
  readonly dpsResourceGroup: string;
  readonly dpsName: string;
  readonly iotHubNames: readonly string[];
  readonly deviceId: string;
  readonly line: string;
  readonly enrollmentGroupId: string;
  /** Azure region for what is created. */
  readonly location?: string | undefined;
  /** Create resource group, hub, DPS instance and link where they are missing. */
  readonly create: boolean;
  /** Issue the device's certificate anew, replace another root of the same name, and make the group anew. */
  readonly force: boolean;
}

export interface SetupResult {
  readonly idScope: string;
  readonly deviceEndpoint: string;
  readonly enrollmentGroupId: string;
  readonly certificate: string;
}

/** The sample's set-up: Azure is checked first, then certificates are made, then DPS is told of them. May be run again at any point. */
export async function setUp(session: AzureSession, options: SetupOptions, reporter: Reporter): Promise<SetupResult> {
  const { dpsResourceGroup: resourceGroup, dpsName, deviceId } = options;
  checkRegistrationId(deviceId);
  const prerequisites = await checkPrerequisites(session, {
    resourceGroup,
    dpsName,
    hubNames: options.iotHubNames,
    createMissing: options.create,
    ...(options.location !== undefined && { location: options.location }),
    onProgress: ({ step, kind, name }) => reporter.note(`${kind} ${name}: ${step}`),
  });
  reporter.step('Azure is ready', {
    resourceGroup: prerequisites.resourceGroup.name,
    hubs: prerequisites.hubs.map(({ hostName }) => hostName).join(', '),
    dps: prerequisites.dps.name,
    idScope: prerequisites.dps.idScope,
    created: prerequisites.created.map(({ kind, name }) => `${kind} ${name}`).join(', ') || 'nothing',
  });

  const files = { folder: options.certFolderPath, password: options.rootCertPassword };
  const root = await openRoot(files);
  reporter.step(root.isNew ? 'Root authority made' : 'Root authority found', {
    subject: root.item.subject,
    thumbprint: root.item.thumbprintSha1,
    validUntil: root.item.notAfter.toISOString(),
  });
  const line = await openLine(files, root.item, options.line);
  reporter.step(line.isNew ? 'Line authority made' : 'Line authority found', {
    subject: line.item.subject,
    thumbprint: line.item.thumbprintSha1,
  });
  const device = await openDevice(files, line.item, options);
  reporter.step(device.isNew ? 'Device certificate issued' : 'Device certificate found', {
    subject: device.item.details.subject,
    thumbprint: device.item.details.thumbprintSha1,
    file: device.item.pfxPath,
  });

  const verified = await ensureRootCertificate(session, {
    resourceGroup,
    dpsName,
    certificatePem: root.item.certificatePem,
    signProof: async (code) => (await createProofOfPossession(root.item, code)).certificatePem,
    replace: options.force,
    onProgress: ({ step, etag }) => reporter.note(`root certificate ${step}${etag === '' ? '' : `, ETag ${etag}`}`),
  });
  reporter.step(verified.changed ? 'Root uploaded and possession proved' : 'Root is uploaded and proved already', {
    name: verified.name,
    thumbprint: verified.thumbprint,
    etag: verified.etag,
  });

  const group = await enroll(session, options, line.item.certificatePem);
  reporter.step(`Enrollment group ${group.outcome}`, {
    enrollmentGroupId: group.enrollmentGroupId,
    line: line.item.subject,
    etag: group.etag,
  });
  return {
    idScope: prerequisites.dps.idScope,
    deviceEndpoint: prerequisites.dps.deviceEndpoint,
    enrollmentGroupId: group.enrollmentGroupId,
    certificate: device.item.pfxPath,
  };
}

/** A group of the same ID that admits other devices is not ours to change: it is named, unless `force` says to replace it. */
async function enroll(session: AzureSession, options: SetupOptions, certificatePem: string) {
  const { dpsResourceGroup: resourceGroup, dpsName, enrollmentGroupId, force } = options;
  const wanted = { resourceGroup, dpsName, enrollmentGroupId, certificatePem };
  const present = await getEnrollmentGroup(session, wanted);
  const isOurs =
    present?.attestation.type === 'x509' &&
    present.attestation.primary?.thumbprintSha1 === thumbprints(certificatePem).thumbprintSha1;
  const { outcome, group } =
    present === undefined || isOurs || force
      ? await ensureEnrollmentGroup(session, { ...wanted, recreate: force })
      : await createEnrollmentGroup(session, wanted);
  return { outcome, enrollmentGroupId, etag: group.etag };
}
