import { describe, expect, it } from '@jest/globals';
import { BoundedCache } from '../src/certificates/bounded-cache.ts';
import { isIssuedBy, readCertificate } from '../src/certificates/certificate.ts';
import { issue, issueRoot } from './dps-certificates.ts';

const der = ({ base64 }: { readonly base64: string }): Buffer => Buffer.from(base64, 'base64');

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
