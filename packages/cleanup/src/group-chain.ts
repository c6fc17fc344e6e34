import { commonNameOf } from '@contoso/dps-admin';
import type { CaCertificate, EnrollmentGroup } from '@contoso/dps-admin';

export interface GroupSurroundings {
  readonly group: EnrollmentGroup | undefined;
  /** Every group of the instance. */
  readonly groups: readonly EnrollmentGroup[];
  /** Every CA certificate of the instance. */
  readonly caCertificates: readonly CaCertificate[];
}

/**
 * IDs of enabled groups for an authority above the group's own. DPS walks from the device's certificate to the root and the first
 * enrollment that it meets decides: these would decide if the group were gone.
 *
 * DPS tells names only, not certificates, so that authorities are matched by common name: rather one warning too many.
 */
export function groupsAbove({ group, groups, caCertificates }: GroupSurroundings): string[] {
  if (group === undefined) return [];
  const issuerOf = new Map(groups.map((other) => [subjectOf(other, caCertificates), issuerOfGroup(other)]));
  const above = new Set<string>();
  for (let name = issuerOfGroup(group); name !== undefined && !above.has(name); name = issuerOf.get(name))
    above.add(name);
  return groups
    .filter(
      ({ enrollmentGroupId, provisioningStatus }) =>
        enrollmentGroupId !== group.enrollmentGroupId && provisioningStatus === 'enabled',
    )
    .filter((other) => above.has(subjectOf(other, caCertificates) ?? ''))
    .map(({ enrollmentGroupId }) => enrollmentGroupId);
}

function subjectOf({ attestation }: EnrollmentGroup, caCertificates: readonly CaCertificate[]): string | undefined {
  if (attestation.type === 'x509')
    return attestation.primary === undefined ? undefined : commonNameOf(attestation.primary.subjectName);
  if (attestation.type !== 'x509-ca-reference') return undefined;
  return caCertificates.find(({ name }) => name === attestation.primary)?.subject;
}

/** Unknown for a group by CA reference: DPS shows an uploaded certificate's subject, not its issuer. */
function issuerOfGroup({ attestation }: EnrollmentGroup): string | undefined {
  return attestation.type === 'x509' && attestation.primary !== undefined
    ? commonNameOf(attestation.primary.issuerName)
    : undefined;
}
