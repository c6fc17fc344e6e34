import { describeCertificate, parseCertificates, type CertificateDetails } from '../certificate.ts';
import { isAuthority } from '../chain-layout.ts';
import { isSelfSigned, isSignedBy } from '../chain.ts';
import type { X509Certificate } from '../engine.ts';
import { PkiError } from '../errors.ts';
import { readNow } from '../validity.ts';

/** How a step names an authority for people and portals. */
export interface NamedAuthority {
  subject: string;
  serialNumber: string;
  thumbprintSha1: string;
  thumbprintSha256: string;
}

/**
 * One step of a roll-over, plain data that can be written as JSON and read back. Where `action` is the name of a function of
 * @contoso/dps-admin, `input` holds that function's options besides where the instance is (and `signProof`, which needs the
 * key); the other actions are done at the factory or by an operator.
 */
export type RolloverStep = { title: string } & (
  | { action: 'ensureRootCertificate'; input: { certificateName: string; certificatePem: string } }
  | {
      action: 'ensureEnrollmentGroup';
      /** `secondaryCertificatePem: null` takes a secondary certificate out; `disabled` refuses every device of the group. */
      input: {
        enrollmentGroupId: string;
        certificatePem: string;
        secondaryCertificatePem: string | null;
        provisioningStatus?: 'disabled';
      };
    }
  | { action: 'deleteCaCertificate'; input: { certificateName: string } }
  /** From now on the station issues from this authority only. */
  | { action: 'issueFrom'; input: { authority: NamedAuthority } }
  /** Go on when every device that `authority` issued for is renewed; after `until` (ISO 8601) the rest is refused anyway. */
  | { action: 'waitForDevices'; input: { authority: NamedAuthority; until: string } }
  /** The hubs still know devices of this authority by their thumbprints: disable those identities until they register anew. */
  | { action: 'disableDevices'; input: { authority: NamedAuthority } }
  /** Put it on its issuer's revocation list (createCrl). */
  | { action: 'revokeAuthority'; input: { authority: NamedAuthority; reason: 'superseded' | 'cACompromise' } }
);

/** What planLineRollover takes. */
export interface LineRolloverOptions {
  /** The group whose devices the line issues. */
  enrollmentGroupId: string;
  /** The line's certificate that the group has, PEM. */
  oldCertificatePem: string;
  /** The certificate of the line that follows, PEM: another key, below a root that is uploaded and verified. */
  newCertificatePem: string;
  /** The old line's key is in wrong hands: no overlap, and its devices are kept out at once. Default false. */
  isCompromised?: boolean;
  /** Default: now. */
  now?: Date;
}

/** What planRootRollover takes. */
export interface RootRolloverOptions {
  /** The root as it is uploaded now. */
  oldRoot: { certificateName: string; certificatePem: string };
  /** The root that follows, under another name: both are there for a while. Its subject may be the same. */
  newRoot: { certificateName: string; certificatePem: string };
  /** Every group whose line is below the old root, with the line below the new root that follows. */
  lines: readonly Pick<LineRolloverOptions, 'enrollmentGroupId' | 'oldCertificatePem' | 'newCertificatePem'>[];
  /** Default: now. */
  now?: Date;
}

/**
 * The steps that replace a line's authority while its devices stay connected: the group takes both lines, the station
 * changes over, the devices are renewed, the old line goes. In this order; each may be repeated.
 *
 * For a compromised line the old certificate goes first, into a disabled group of its own (`compromised-` and its serial
 * number), since a group for an authority above it would take its devices otherwise. Leave that group until the line has
 * ended. The devices come back when they are renewed.
 *
 * @throws {PkiError} ERR_PKI_ROLLOVER: one is no authority, both have the same key, the new one isn't valid now, or the old
 * one has expired
 * @throws {PkiError} ERR_PKI_CERTIFICATE_UNREADABLE
 * @see Microsoft's "How to roll X.509 device certificates" (azure-docs, articles/iot-dps/how-to-roll-certificates.md)
 */
export function planLineRollover(options: LineRolloverOptions): RolloverStep[] {
  const { enrollmentGroupId, isCompromised = false } = options;
  const now = readNow(options.now);
  const [before, after] = readPair(options, now);
  return isCompromised
    ? [
        setGroup(enrollmentGroupId, after),
        keepOut(before),
        {
          title: `Disable the hub identities of devices that "${before.subject}" issued for.`,
          action: 'disableDevices',
          input: { authority: name(before) },
        },
        revoke(before, 'cACompromise'),
        issueFrom(after),
        waitFor(before),
      ]
    : [
        setGroup(enrollmentGroupId, before, after),
        issueFrom(after),
        waitFor(before),
        setGroup(enrollmentGroupId, after),
        revoke(before, 'superseded'),
      ];
}

/**
 * The steps that replace a root while the devices below it stay connected: both roots are uploaded and verified, every group
 * takes its old line and the new one below the new root, the devices are renewed, then the old lines and the old root go.
 *
 * @throws {PkiError} ERR_PKI_ROLLOVER: as planLineRollover; or both roots have one name in DPS, one isn't a root, or a line is
 * not signed by its root
 * @throws {PkiError} ERR_PKI_CERTIFICATE_UNREADABLE
 */
export function planRootRollover({ oldRoot, newRoot, lines, ...options }: RootRolloverOptions): RolloverStep[] {
  const now = readNow(options.now);
  if (oldRoot.certificateName === newRoot.certificateName) {
    throw refuse(`both roots have the name "${newRoot.certificateName}" in DPS: give the new one another name`);
  }
  const [before, after] = readPair(
    { oldCertificatePem: oldRoot.certificatePem, newCertificatePem: newRoot.certificatePem },
    now,
  );
  for (const root of [before, after]) if (!isSelfSigned(root)) throw refuse(`"${root.subject}" is not a root`);
  const pairs = lines.map((line) => {
    const [old, next] = readPair(line, now);
    for (const [issued, root] of [
      [old, before],
      [next, after],
    ] as const) {
      if (!isSignedBy(issued, root)) throw refuse(`"${issued.subject}" was not issued by the root "${root.subject}"`);
    }
    return { enrollmentGroupId: line.enrollmentGroupId, old, next };
  });
  return [
    {
      title: `Upload the new root "${after.subject}" as "${newRoot.certificateName}" and prove possession of its key.`,
      action: 'ensureRootCertificate',
      input: { certificateName: newRoot.certificateName, certificatePem: describeCertificate(after).certificatePem },
    },
    ...pairs.map(({ enrollmentGroupId, old, next }) => setGroup(enrollmentGroupId, old, next)),
    ...pairs.map(({ next }) => issueFrom(next)),
    ...pairs.map(({ old }) => waitFor(old, before)),
    ...pairs.map(({ enrollmentGroupId, next }) => setGroup(enrollmentGroupId, next)),
    {
      title: `Delete the old root "${before.subject}" ("${oldRoot.certificateName}").`,
      action: 'deleteCaCertificate',
      input: { certificateName: oldRoot.certificateName },
    },
  ];
}

function readPair(
  { oldCertificatePem, newCertificatePem }: { oldCertificatePem: string; newCertificatePem: string },
  now: Date,
): [X509Certificate, X509Certificate] {
  const [before] = parseCertificates(oldCertificatePem);
  const [after] = parseCertificates(newCertificatePem);
  for (const one of [before, after]) {
    if (!isAuthority(one)) throw refuse(`"${one.subject}" is not a certificate authority's`);
  }
  if (Buffer.from(before.publicKey.rawData).equals(Buffer.from(after.publicKey.rawData))) {
    throw refuse(`"${after.subject}" has the same key as the one that it follows: create it with a new key`);
  }
  if (now >= before.notAfter) {
    throw refuse(
      `"${before.subject}" expired on ${before.notAfter.toISOString()}: its devices are refused already, set up the new one alone`,
    );
  }
  if (now < after.notBefore || now >= after.notAfter) {
    throw refuse(
      `"${after.subject}" is valid from ${after.notBefore.toISOString()} to ${after.notAfter.toISOString()}, and not now`,
    );
  }
  return [before, after];
}

function setGroup(enrollmentGroupId: string, primary: X509Certificate, secondary?: X509Certificate): RolloverStep {
  return {
    title: secondary
      ? `Group "${enrollmentGroupId}": take "${primary.subject}" and, as secondary, "${secondary.subject}".`
      : `Group "${enrollmentGroupId}": take "${primary.subject}" alone.`,
    action: 'ensureEnrollmentGroup',
    input: {
      enrollmentGroupId,
      certificatePem: describeCertificate(primary).certificatePem,
      secondaryCertificatePem: secondary ? describeCertificate(secondary).certificatePem : null,
    },
  };
}

/** After the group has let go of it: DPS takes a certificate in one enrollment at a time. */
function keepOut(authority: X509Certificate): RolloverStep {
  const { serialNumber, certificatePem } = describeCertificate(authority);
  return {
    title: `Keep every device of "${authority.subject}" (${serialNumber}) out, also where a group above would take it: a disabled group of its own.`,
    action: 'ensureEnrollmentGroup',
    input: {
      enrollmentGroupId: `compromised-${serialNumber}`,
      certificatePem,
      secondaryCertificatePem: null,
      provisioningStatus: 'disabled',
    },
  };
}

function issueFrom(authority: X509Certificate): RolloverStep {
  const title = `Issue and renew devices from "${authority.subject}" (${authority.serialNumber}) only.`;
  return { title, action: 'issueFrom', input: { authority: name(authority) } };
}

/** The devices of a line are refused when it or its root expires, whichever comes first. */
function waitFor(authority: X509Certificate, root = authority): RolloverStep {
  const until = new Date(Math.min(authority.notAfter.getTime(), root.notAfter.getTime())).toISOString();
  const title = `Wait until every device of "${authority.subject}" (${authority.serialNumber}) is renewed, ${until} at the latest.`;
  return { title, action: 'waitForDevices', input: { authority: name(authority), until } };
}

function revoke(authority: X509Certificate, reason: 'superseded' | 'cACompromise'): RolloverStep {
  const title = `Put "${authority.subject}" (${authority.serialNumber}) on its root's revocation list: ${reason}.`;
  return { title, action: 'revokeAuthority', input: { authority: name(authority), reason } };
}

function name(certificate: X509Certificate): NamedAuthority {
  const { subject, serialNumber, thumbprintSha1, thumbprintSha256 }: CertificateDetails =
    describeCertificate(certificate);
  return { subject, serialNumber, thumbprintSha1, thumbprintSha256 };
}

function refuse(reason: string): PkiError {
  return new PkiError('ERR_PKI_ROLLOVER', `The roll-over can't be planned: ${reason}.`);
}
