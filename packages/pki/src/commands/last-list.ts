import { readFile } from 'node:fs/promises';
import { signerOf, type CertificateAuthority } from '../authority.ts';
import { authorityKeyIdentifier } from '../key-identifier.ts';
import { readCrl, type RevocationList } from '../life/crl-reading.ts';

/**
 * Says which revoked certificates a new list may leave out: RFC 5280 section 3.3 keeps each until it has been on one list
 * that was signed after its end. The list before is the one in the file that the new one replaces; where that isn't one of
 * this authority's, nothing is left out.
 */
export async function readLeavers(
  path: string,
  authority: CertificateAuthority,
): Promise<(certificate: { serialNumber: string; notAfter: Date }) => boolean> {
  const last = await readList(path);
  const isOwn = last?.authorityKeyId === authorityKeyIdentifier(signerOf(authority).certificate);
  if (!last || !isOwn) return () => false;
  const listed = new Set(last.revoked.map(({ serialNumber }) => serialNumber));
  return ({ serialNumber, notAfter }) => notAfter < last.thisUpdate && listed.has(serialNumber);
}

async function readList(path: string): Promise<RevocationList | undefined> {
  try {
    return readCrl(await readFile(path));
  } catch {
    return undefined;
  }
}
