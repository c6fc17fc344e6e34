import {
  checkPrerequisites,
  ensureEnrollmentGroup,
  ensureRootCertificate,
  getCaCertificate,
  getEnrollmentGroup,
  type AzureSession,
} from '@contoso/dps-admin';
import { createProofOfPossession, type CertificateAuthority } from '@contoso/pki';
import { ConflictError } from './conflict-error.ts';
import { openDevice, openLine, openRoot, type DeviceFile, type Made } from './factory.ts';
import type { Reporter } from './reporter.ts';

/** The sample's name for the root in DPS. */
const certificateName = 'rootCA';

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

/**
 * The sample's set-up. Everything is looked at before anything is changed: the folder, Azure, and what is there under the
 * same names. May be stopped at any point and run again.
 */
export async function setUp(session: AzureSession, options: SetupOptions, reporter: Reporter): Promise<SetupResult> {
  const { dpsResourceGroup: resourceGroup, dpsName } = options;
  const files = { folder: options.certFolderPath, password: options.rootCertPassword };
  const root = await openRoot(files);
  const line = await openLine(files, root.item, options.line);
  const device = await openDevice(files, line.item, options);

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
  if (!options.force) await checkConflicts(session, options, { root: root.item, line: line.item });

  // Keys are on disk before Azure is told of their certificates.
  for (const made of [root, line, device]) await made.save();
  reportMade(reporter, { root, line, device });
  await uploadRoot(session, options, root.item, reporter);
  const enrollmentGroupId = await enroll(session, options, line.item, reporter);
  return {
    idScope: prerequisites.dps.idScope,
    deviceEndpoint: prerequisites.dps.deviceEndpoint,
    enrollmentGroupId,
    certificate: device.item.pfxPath,
  };
}

interface Authorities {
  readonly root: CertificateAuthority;
  readonly line: CertificateAuthority;
}

/** What stands under the same names and is something else is not ours to change. */
async function checkConflicts(
  session: AzureSession,
  options: SetupOptions,
  { root, line }: Authorities,
): Promise<void> {
  const { dpsResourceGroup: resourceGroup, dpsName, enrollmentGroupId } = options;
  const certificate = await getCaCertificate(session, { resourceGroup, dpsName, certificateName });
  if (certificate !== undefined && certificate.thumbprint !== root.thumbprintSha1) {
    throw new ConflictError(
      `DPS ${dpsName} has another certificate under the name ${certificateName} (thumbprint ${certificate.thumbprint}; this folder's root has ${root.thumbprintSha1}). Use that root's folder, or replace it with --force.`,
    );
  }
  const group = await getEnrollmentGroup(session, { dpsName, enrollmentGroupId });
  const primary = group?.attestation.type === 'x509' ? group.attestation.primary : undefined;
  if (group !== undefined && primary?.thumbprintSha1 !== line.thumbprintSha1) {
    throw new ConflictError(
      `Enrollment group ${enrollmentGroupId} exists already and admits the devices of ${primary?.subjectName ?? 'another attestation'}, not of ${line.subject}. Choose another --enrollment-group-id, or replace it with --force.`,
    );
  }
}

function reportMade(
  reporter: Reporter,
  {
    root,
    line,
    device,
  }: { root: Made<CertificateAuthority>; line: Made<CertificateAuthority>; device: Made<DeviceFile> },
): void {
  reporter.step(root.isNew ? 'Root authority made' : 'Root authority found', {
    subject: root.item.subject,
    thumbprint: root.item.thumbprintSha1,
    validUntil: root.item.notAfter.toISOString(),
  });
  reporter.step(line.isNew ? 'Line authority made' : 'Line authority found', {
    subject: line.item.subject,
    thumbprint: line.item.thumbprintSha1,
  });
  reporter.step(device.isNew ? 'Device certificate issued' : 'Device certificate found', {
    subject: device.item.details.subject,
    thumbprint: device.item.details.thumbprintSha1,
    file: device.item.pfxPath,
  });
}

async function uploadRoot(
  session: AzureSession,
  options: SetupOptions,
  root: CertificateAuthority,
  reporter: Reporter,
): Promise<void> {
  const verified = await ensureRootCertificate(session, {
    resourceGroup: options.dpsResourceGroup,
    dpsName: options.dpsName,
    certificateName,
    certificatePem: root.certificatePem,
    signProof: async (code) => (await createProofOfPossession(root, code)).certificatePem,
    replace: options.force,
    onProgress: ({ step, etag }) => reporter.note(`root certificate ${step}${etag === '' ? '' : `, ETag ${etag}`}`),
  });
  reporter.step(verified.changed ? 'Root uploaded and possession proved' : 'Root is uploaded and proved already', {
    name: verified.name,
    thumbprint: verified.thumbprint,
    etag: verified.etag,
  });
}

async function enroll(
  session: AzureSession,
  options: SetupOptions,
  line: CertificateAuthority,
  reporter: Reporter,
): Promise<string> {
  const { dpsResourceGroup: resourceGroup, dpsName, enrollmentGroupId, force } = options;
  const { outcome, group } = await ensureEnrollmentGroup(session, {
    resourceGroup,
    dpsName,
    enrollmentGroupId,
    certificatePem: line.certificatePem,
    recreate: force,
  });
  reporter.step(`Enrollment group ${outcome}`, { enrollmentGroupId, line: line.subject, etag: group.etag });
  return enrollmentGroupId;
}
