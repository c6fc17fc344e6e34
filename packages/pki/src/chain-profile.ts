import { AsnConvert } from '@peculiar/asn1-schema';
import { SubjectAlternativeName, Version } from '@peculiar/asn1-x509';
import { certificateSchema } from './certificate.ts';
import { isAuthority } from './chain-layout.ts';
import { problemIf, type FoundProblem } from './chain-problem.ts';
import { isEmptyName } from './distinguished-name.ts';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type X509Certificate,
} from './engine.ts';

const oid = {
  subjectKeyIdentifier: '2.5.29.14',
  subjectAltName: '2.5.29.17',
  authorityKeyIdentifier: '2.5.29.35',
};
const namedCurve = 0x06;
const ecPublicKey = '1.2.840.10045.2.1';

/**
 * What RFC 5280 demands of those who issue, and most verifiers don't insist on (OpenSSL does with `-x509_strict`). Doesn't
 * apply to a self-signed certificate that stands alone (RFC 6818 section 2).
 */
export function checkProfile(path: readonly X509Certificate[]): FoundProblem[] {
  if (path.length < 2) return [];
  return path.flatMap((certificate, index) =>
    [
      ...deviationsOfAuthority(certificate),
      ...deviationsOfNames(certificate),
      ...deviationsOfExtensions(certificate, { isLast: index === path.length - 1 }),
    ].flatMap(([isWrong, words]) =>
      problemIf(isWrong, {
        code: 'CHAIN_PROFILE',
        message: `"${certificate.subject}" ${words}: strict verifiers refuse it. Issue it again.`,
        rule: 'profile',
        isWarning: true,
        certificate,
      }),
    ),
  );
}

type Deviation = readonly [isWrong: boolean, words: string];

/** Sections 4.2.1.3 and 4.2.1.9. */
function deviationsOfAuthority(certificate: X509Certificate): Deviation[] {
  const constraints = certificate.getExtension(BasicConstraintsExtension);
  const usage = certificate.getExtension(KeyUsagesExtension);
  const signsCertificates = usage !== null && (usage.usages & KeyUsageFlags.keyCertSign) !== 0;
  const hasPathLength = constraints?.pathLength !== undefined;
  return isAuthority(certificate)
    ? [
        [constraints?.critical === false, "has basic constraints that aren't critical (RFC 5280 section 4.2.1.9)"],
        [usage === null, "is an authority's and has no key usage (RFC 5280 section 4.2.1.3)"],
        [
          usage !== null && hasPathLength && !signsCertificates,
          'has a path length without keyCertSign (RFC 5280 section 4.2.1.9)',
        ],
      ]
    : [
        [hasPathLength, "has a path length and is no authority's (RFC 5280 section 4.2.1.9)"],
        [signsCertificates, "has keyCertSign and is no authority's (RFC 5280 section 4.2.1.3)"],
      ];
}

/** Sections 4.1.2.4, 4.1.2.6 and 4.2.1.6. */
function deviationsOfNames(certificate: X509Certificate): Deviation[] {
  const alternative = certificate.getExtension(oid.subjectAltName);
  const count = alternative ? AsnConvert.parse(alternative.value, SubjectAlternativeName).length : undefined;
  const isNameless = isEmptyName(certificate.subjectName);
  const needsName = isAuthority(certificate) || alternative === null;
  return [
    [isEmptyName(certificate.issuerName), 'has an empty issuer (RFC 5280 section 4.1.2.4)'],
    [isNameless && needsName, 'has an empty subject (RFC 5280 section 4.1.2.6)'],
    [
      isNameless && alternative?.critical === false,
      "has an empty subject and alternative names that aren't critical (RFC 5280 section 4.1.2.6)",
    ],
    [count === 0, 'has an empty list of alternative names (RFC 5280 section 4.2.1.6)'],
  ];
}

/** Sections 4.1.2.1, 4.2.1.1, 4.2.1.2, and RFC 5480 section 2.1.1. */
function deviationsOfExtensions(certificate: X509Certificate, { isLast }: { isLast: boolean }): Deviation[] {
  const { version, subjectPublicKeyInfo, extensions } = certificateSchema(certificate).tbsCertificate;
  const { algorithm, parameters } = subjectPublicKeyInfo.algorithm;
  const isVersion3 = version === Version.v3;
  const authorityKeyId = certificate.getExtension(AuthorityKeyIdentifierExtension);
  const subjectKeyId = certificate.getExtension(oid.subjectKeyIdentifier);
  const isNamed = parameters ? new Uint8Array(parameters)[0] === namedCurve : false;
  return [
    [!isVersion3 && (extensions?.length ?? 0) > 0, 'has extensions, and not version 3 (RFC 5280 section 4.1.2.1)'],
    [certificate.getExtension(oid.authorityKeyIdentifier)?.critical ?? false, criticalKeyId('authority')],
    [subjectKeyId?.critical ?? false, criticalKeyId('subject')],
    [isVersion3 && !isLast && authorityKeyId?.keyId === undefined, 'has no authority key identifier (section 4.2.1.1)'],
    [
      isVersion3 && isAuthority(certificate) && subjectKeyId === null,
      "is an authority's and has no subject key identifier (section 4.2.1.2)",
    ],
    [algorithm === ecPublicKey && !isNamed, 'has a key with explicit curve parameters (RFC 5480 section 2.1.1)'],
  ];
}

function criticalKeyId(whose: string): string {
  return `has a critical ${whose} key identifier (RFC 5280 section 4.2.1)`;
}
