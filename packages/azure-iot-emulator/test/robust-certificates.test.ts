import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BoundedCache } from '../src/certificates/bounded-cache.ts';
import { findChainFault, trustChain } from '../src/certificates/certificate-chain.ts';
import { isIssuedBy, readCertificate } from '../src/certificates/certificate.ts';
import { issue, issueRoot } from './dps-certificates.ts';

const der = ({ base64 }: { readonly base64: string }): Buffer => Buffer.from(base64, 'base64');

describe('certificates that were tampered with', () => {
  it('ok: are refused as unreadable, or read to the end and trusted by nobody', async () => {
    const root = await issueRoot('Root');
    const line = await issue({ commonName: 'Line', issuer: root, isAuthority: true });
    const device = await issue({ commonName: 'd1', issuer: line });
    const authority = readCertificate(der(root));
    const originals = [device, line].map((issued) => der(issued));
    const rules = { nowMs: Date.now() };
    let readable = 0;
    const edits = fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(0, 1), edits, (which, changes) => {
        const bytes = Buffer.from(originals[which]!);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        if (bytes.equals(originals[which]!)) return;
        let changed: ReturnType<typeof readCertificate>;
        try {
          changed = readCertificate(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
          return;
        }
        readable += 1;
        expect(JSON.stringify({ ...changed, ...namesOf(changed) })).toContain('subject');
        const chain =
          which === 0 ? [changed, readCertificate(originals[1]!)] : [readCertificate(originals[0]!), changed];
        const fault = findChainFault(chain, rules);
        const trust = trustChain(chain, [authority], rules);
        expect(fault !== undefined || 'fault' in trust).toBe(true);
      }),
      { numRuns: 3000 },
    );
    expect(readable).toBeGreaterThan(300);
  });
});

/** Every field that is read late. */
function namesOf(certificate: ReturnType<typeof readCertificate>): object {
  const { subject, issuer, commonName, serialNumber, thumbprintSha1, isAuthority, pathLength } = certificate;
  return { subject, issuer, commonName, serialNumber, thumbprintSha1, isAuthority, pathLength };
}

describe('what is remembered of certificates', () => {
  it('ok: the same bytes are read once, other bytes are another certificate', async () => {
    const root = await issueRoot('Root');
    const device = await issue({ commonName: 'd1', issuer: root });
    expect(readCertificate(der(device))).toBe(readCertificate(der(device)));
    const changed = der(device);
    // The last byte belongs to the signature.
    changed[changed.length - 1]! ^= 1;
    const forged = readCertificate(changed);
    expect(forged).not.toBe(readCertificate(der(device)));
    const issuer = readCertificate(der(root));
    expect(isIssuedBy(readCertificate(der(device)), issuer)).toBe(true);
    expect(isIssuedBy(forged, issuer)).toBe(false);
    expect(isIssuedBy(readCertificate(der(device)), issuer)).toBe(true);
  });

  it('fail: bytes that are no certificate are refused each time', () => {
    for (let time = 0; time < 2; time += 1) expect(() => readCertificate(Buffer.from('no'))).toThrow(SyntaxError);
  });

  it('ok: no more than the bound is kept, the newest', () => {
    const cache = new BoundedCache<number>(2);
    const made: string[] = [];
    const get = (key: string): number => cache.get(key, () => made.push(key));
    for (const key of ['a', 'b', 'a', 'c', 'b', 'a']) get(key);
    expect(made).toEqual(['a', 'b', 'c', 'a']);
  });
});
