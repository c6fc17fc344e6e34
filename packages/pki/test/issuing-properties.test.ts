import { describe, expect, it } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import {
  createDeviceRequest,
  createLineAuthority,
  createRootAuthority,
  createSoftwareKey,
  issueDeviceCertificate,
  renewDeviceCertificate,
  signDeviceRequest,
  type CertificateAuthority,
  type DeviceCertificate,
  type KeyAlgorithm,
} from '../src/index.ts';
import { checkConformance, type ConformanceSubject } from './conformance.ts';
import { issueIds, issueRequests } from './mass-source.ts';

const made = new Date('2026-11-01T08:00:00Z');
const keyAlgorithms: readonly KeyAlgorithm[] = ['P-256', 'P-384', 'RSA-2048'];
const deviceKeys = await Promise.all(keyAlgorithms.map((keyAlgorithm) => createSoftwareKey({ keyAlgorithm })));
const root = await createRootAuthority({ commonName: 'Contoso Root CA', now: made });
const lines = await Promise.all(
  keyAlgorithms.map((keyAlgorithm) => createLineAuthority(root, { lineName: 'Line 1', keyAlgorithm, now: made })),
);
const [firstLine] = lines as [CertificateAuthority, ...CertificateAuthority[]];

interface Wish {
  line: CertificateAuthority;
  registrationId: string;
  validityDays: number;
  now: Date;
  /** Of a device that makes its own key. */
  key: (typeof deviceKeys)[number];
  /** Of a key that is made for it; RSA takes long, and the request brings it. */
  keyAlgorithm: KeyAlgorithm;
}

const wish: fc.Arbitrary<Wish> = fc.record({
  line: fc.constantFrom(...lines),
  registrationId: fc.stringMatching(/^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/),
  validityDays: fc.oneof(fc.integer({ min: 1, max: 20_000 }), fc.double({ min: 0.001, max: 3000, noNaN: true })),
  now: fc.date({
    min: made,
    max: new Date(firstLine.notAfter.getTime() - 1000),
    noInvalidDate: true,
  }),
  key: fc.constantFrom(...deviceKeys),
  keyAlgorithm: fc.constantFrom<KeyAlgorithm>('P-256', 'P-384'),
});

type IssuingPath = (wish: Wish) => Promise<DeviceCertificate | undefined>;

const requestOf = ({ registrationId, key }: Wish): Promise<string> => createDeviceRequest({ registrationId, key });

/** Every way to a device's certificate. */
const paths: Readonly<Record<string, IssuingPath>> = {
  'ordinary, key made here': ({ line, ...options }) => issueDeviceCertificate(line, options),
  "ordinary, a device's request": async (given) => signDeviceRequest(given.line, await requestOf(given), given),
  'mass, keys made here': async ({ line, registrationId, validityDays, now, keyAlgorithm }) =>
    (await issueIds([registrationId], { line, validityDays, keyAlgorithm, now: () => now }))[0],
  'mass, requests': async (given) => {
    const { line, validityDays, now } = given;
    return (await issueRequests([{ csr: await requestOf(given) }], { line, validityDays, now: () => now }))[0];
  },
  renewal: async (given) => {
    const { line, registrationId, validityDays, now } = given;
    const previous = await issueDeviceCertificate(line, { registrationId, now: made });
    const csr = await requestOf(given);
    return renewDeviceCertificate(line, { previous: previous.certificatePem, csr, validityDays, now });
  },
};

describe('whatever device, validity and kind of keys is asked for', () => {
  it.each(Object.entries(paths))(
    'the certificate conforms, says what was asked for, and ends with its line: %s',
    (_name, issue) =>
      fc.assert(
        fc.asyncProperty(wish, async (given) => {
          const { line, registrationId, validityDays, now } = given;
          const device = await issue(given);
          const issuer = new X509Certificate(line.certificatePem);
          const certificate = new X509Certificate(device!.certificatePem);
          const subject: ConformanceSubject = {
            certificateDer: certificate.raw,
            issuerDer: issuer.raw,
            kind: 'device',
            registrationId,
          };
          expect(checkConformance(subject)).toEqual([]);
          expect(certificate.verify(issuer.publicKey)).toBe(true);
          // Whole seconds, five minutes back, and never outside of the line's own validity.
          const end = Math.min(now.getTime() + validityDays * 86_400_000, line.notAfter.getTime());
          expect(Math.abs(device!.notAfter.getTime() - end)).toBeLessThanOrEqual(1000);
          expect(device!.notBefore.getTime()).toBeGreaterThanOrEqual(line.notBefore.getTime());
        }),
        { numRuns: 60, seed: 20_261_124 },
      ),
    120_000,
  );
});
