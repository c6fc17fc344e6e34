import { readFile } from 'node:fs/promises';
import { signerOf, type CertificateAuthority } from '../authority.ts';
import { PkiError } from '../errors.ts';
import { authorityKeyIdentifier } from '../key-identifier.ts';
import { readCrl, type RevocationList } from '../life/crl-reading.ts';

/** The list in a file that a new one is to replace; undefined: there is none of this authority's. */
export async function readLastList(path: string, authority: CertificateAuthority): Promise<RevocationList | undefined> {
  const last = await readList(path);
  const isOwn = last?.authorityKeyId === authorityKeyIdentifier(signerOf(authority).certificate);
  return isOwn ? last : undefined;
}

/**
 * Says which revoked certificates a new list may leave out: RFC 5280 section 3.3 keeps each until it has been on one list
 * that was signed after its end. Where the list before isn't known, nothing is left out.
 */
export function leaving(
  last: RevocationList | undefined,
): (certificate: { serialNumber: string; notAfter: Date }) => boolean {
  if (!last) return () => false;
  const listed = new Set(last.revoked.map(({ serialNumber }) => serialNumber));
  return ({ serialNumber, notAfter }) => notAfter < last.thisUpdate && listed.has(serialNumber);
}

/** @throws {PkiError} ERR_PKI_REVOCATION: what is there is no older list */
export function checkIsNewer(number: number, last: RevocationList | undefined): void {
  if (last?.number === undefined || last.number < number) return;
  throw new PkiError(
    'ERR_PKI_REVOCATION',
    `The list that is there has number ${last.number}, and the new one number ${number}, so it was not put in its place: another run was ` +
      'faster, or this is not the inventory that the list was made from. Find out which, and sign again, with another --out if need be.',
  );
}

async function readList(path: string): Promise<RevocationList | undefined> {
  try {
    return readCrl(await readFile(path));
  } catch {
    return undefined;
  }
}
