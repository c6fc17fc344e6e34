import { verify } from 'node:crypto';
import { publicKeyOf } from './certificate.ts';
import { mayUseKeyFor } from './chain-checks.ts';
import type { FoundProblem } from './chain-problem.ts';
import { isSameName } from './distinguished-name.ts';
import { KeyUsageFlags, SubjectKeyIdentifierExtension, type X509Certificate } from './engine.ts';
import type { ParsedCrl } from './life/crl-reading.ts';

/** Hash by signature algorithm (RFC 3279, 4055, 5758; null: the algorithm has its own, RFC 8410). */
const hashes: ReadonlyMap<string, string | null> = new Map([
  ['1.2.840.113549.1.1.5', 'sha1'],
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.10045.4.1', 'sha1'],
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
  ['1.3.101.112', null],
  ['1.3.101.113', null],
]);

/** Certificates of the path that a list of their issuer names (RFC 5280 section 6.3, full lists only). */
export function checkRevocation(
  path: readonly X509Certificate[],
  crls: readonly ParsedCrl[],
  now: Date,
): FoundProblem[] {
  return path.flatMap((certificate, index) => {
    const issuer = path[index + 1];
    return issuer ? checkCertificate(certificate, issuer, { crls, now }) : [];
  });
}

function checkCertificate(
  certificate: X509Certificate,
  issuer: X509Certificate,
  { crls, now }: { crls: readonly ParsedCrl[]; now: Date },
): FoundProblem[] {
  const lists = crls.filter((crl) => isSameName(crl.issuerName, issuer.subjectName) && isByKeyOf(crl, issuer));
  const usable = lists.filter((crl) => problemWith(crl, issuer, now) === undefined);
  const [first] = lists;
  if (first && usable.length === 0) {
    const message = `The revocation list of "${issuer.subject}" can't be relied on: ${problemWith(first, issuer, now) ?? ''}.`;
    return [{ code: 'CHAIN_CRL', message, rule: 'path', certificate }];
  }
  const entry = usable.flatMap(({ revoked }) => revoked).find((one) => isFor(one.serialNumber, certificate));
  if (!entry) return [];
  const message =
    `"${certificate.subject}" was revoked on ${entry.revokedAt.toISOString()} (${entry.reason ?? 'no reason given'}): ` +
    'find out why before a new one is issued.';
  return [{ code: 'CHAIN_REVOKED', message, rule: 'path', certificate }];
}

/** A list by another key of the same name, as after a roll-over, says nothing about this issuer's certificates. */
function isByKeyOf({ authorityKeyId }: ParsedCrl, issuer: X509Certificate): boolean {
  const keyId = issuer.getExtension(SubjectKeyIdentifierExtension)?.keyId;
  return authorityKeyId === undefined || keyId === undefined || authorityKeyId === keyId.toLowerCase();
}

function problemWith(crl: ParsedCrl, issuer: X509Certificate, now: Date): string | undefined {
  const { thisUpdate, nextUpdate, criticalExtensions } = crl;
  if (!mayUseKeyFor(issuer, KeyUsageFlags.cRLSign)) return "its issuer's key usage lacks cRLSign";
  if (!isSignedBy(crl, issuer)) return 'its signature is not by the key of that authority';
  if (now < thisUpdate) return `it is not valid before ${thisUpdate.toISOString()}`;
  if (nextUpdate && now > nextUpdate) return `it was to be replaced by ${nextUpdate.toISOString()}: get the next one`;
  const [critical] = criticalExtensions;
  return critical && `it has the critical extension ${critical}, which is not understood here`;
}

function isSignedBy({ signatureOid, tbs, signature }: ParsedCrl, issuer: X509Certificate): boolean {
  const hash = hashes.get(signatureOid);
  try {
    return hash !== undefined && verify(hash, tbs, publicKeyOf(issuer), signature);
  } catch {
    return false;
  }
}

function isFor(serialNumber: string, certificate: X509Certificate): boolean {
  const bare = (serial: string): string => serial.toLowerCase().replace(/^0+(?=.)/, '');
  return bare(serialNumber) === bare(certificate.serialNumber);
}
