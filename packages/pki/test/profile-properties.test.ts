import { describe, expect, it } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import {
  checkRegistrationId,
  createCrl,
  createDeviceRequest,
  createLineAuthority,
  createProofOfPossession,
  createRootAuthority,
  createSoftwareKey,
  decodePfx,
  encodePfx,
  explain,
  PkiError,
  signDeviceRequest,
  type KeyAlgorithm,
  type RevocationReason,
} from '../src/index.ts';
import { parseCertificates } from '../src/certificate.ts';
import { checkConformance } from './conformance.ts';
import { createFactory } from './fixtures.ts';

const runs = { numRuns: 60, seed: 20_261_124 };
const keyAlgorithms: readonly KeyAlgorithm[] = ['P-256', 'P-384', 'RSA-2048'];
const keys = await Promise.all(keyAlgorithms.map((keyAlgorithm) => createSoftwareKey({ keyAlgorithm })));
const anyKey = fc.constantFrom(...keys);
const derOf = ({ certificatePem }: { certificatePem: string }): Uint8Array =>
  new Uint8Array(parseCertificates(certificatePem)[0].rawData);
const timeouts = 120_000;

/** A PkiError, or what came of it. */
async function attempt<T>(action: () => Promise<T> | T): Promise<T | PkiError> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof PkiError) return error;
    throw error;
  }
}

const isCommonName = (text: string): boolean =>
  !/\p{Cs}/u.test(text) &&
  Array.from(text).length >= 1 &&
  Array.from(text).length <= 64 &&
  text.trim() === text &&
  !/\p{Cc}/u.test(text);

describe('whatever name is given', () => {
  it(
    'it is refused, or the certificates have exactly it and conform',
    () =>
      fc.assert(
        fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 70 }), anyKey, async (commonName, key) => {
          const root = await attempt(() => createRootAuthority({ commonName, key }));
          if (root instanceof PkiError) {
            expect([root.code, isCommonName(commonName)]).toEqual(['ERR_PKI_COMMON_NAME', false]);
            return;
          }
          expect(root.commonName).toBe(commonName);
          const subject = { certificateDer: derOf(root), issuerDer: derOf(root), kind: 'root' } as const;
          expect(checkConformance({ ...subject, registrationId: commonName })).toEqual([]);
        }),
        runs,
      ),
    timeouts,
  );

  it(
    'binary strings too',
    () =>
      fc.assert(
        fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 70 }), async (code) => {
          const root = await attempt(() => createRootAuthority({ commonName: code, key: keys[0]! }));
          expect(root instanceof PkiError).toBe(!isCommonName(code));
        }),
        { ...runs, numRuns: 200 },
      ),
    timeouts,
  );

  it('registration IDs: refused, or what DPS, IoT Hub and X.509 all take', () =>
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.stringMatching(/^[a-z0-9._-]{1,70}$/), fc.string({ unit: 'binary' })),
        (id) => {
          const isRight = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/.test(id);
          try {
            checkRegistrationId(id);
            expect(isRight).toBe(true);
          } catch (error) {
            expect([error instanceof PkiError, isRight]).toEqual([true, false]);
          }
        },
      ),
      { ...runs, numRuns: 1000 },
    ));
});

describe('whatever validity and kind of key is asked for', () => {
  const days = fc.oneof(fc.double({ min: 1e-6, max: 4e6, noNaN: true }), fc.integer({ min: -3, max: 30_000 }));
  const moment = fc.date({ min: new Date('1940-01-01'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true });

  it(
    'each certificate lies within its issuer, and conforms; or it is refused',
    () =>
      fc.assert(
        fc.asyncProperty(
          moment,
          fc.tuple(days, days, days),
          fc.tuple(anyKey, anyKey, anyKey),
          fc.nat({ max: 20 * 365 * 86_400_000 }),
          async (now, [rootDays, lineDays, deviceDays], [rootKey, lineKey, deviceKey], laterMs) => {
            const codes = ['ERR_PKI_VALIDITY', 'ERR_PKI_ISSUER_NOT_VALID'];
            const refused = (result: unknown): result is PkiError =>
              result instanceof PkiError && codes.includes(result.code);
            const root = await attempt(() =>
              createRootAuthority({ commonName: 'Root', key: rootKey, now, validityDays: rootDays }),
            );
            if (refused(root)) return;
            if (root instanceof PkiError) throw root;
            expect(checkConformance({ certificateDer: derOf(root), issuerDer: derOf(root), kind: 'root' })).toEqual([]);
            const later = new Date(now.getTime() + laterMs);
            const line = await attempt(() =>
              createLineAuthority(root, { lineName: 'Line', key: lineKey, now: later, validityDays: lineDays }),
            );
            if (refused(line)) return;
            if (line instanceof PkiError) throw line;
            expect(checkConformance({ certificateDer: derOf(line), issuerDer: derOf(root), kind: 'line' })).toEqual([]);
            const csr = await createDeviceRequest({ registrationId: 'd1', key: deviceKey });
            const device = await attempt(() =>
              signDeviceRequest(line, csr, { allow: 'any', now: later, validityDays: deviceDays }),
            );
            if (refused(device)) return;
            if (device instanceof PkiError) throw device;
            const subject = { certificateDer: derOf(device), issuerDer: derOf(line), kind: 'device' } as const;
            expect(checkConformance(subject)).toEqual([]);
            const proof = await createProofOfPossession(line, 'CODE', { now: later });
            const proofSubject = {
              certificateDer: proof.certificateDer,
              issuerDer: derOf(line),
              kind: 'proof',
            } as const;
            expect(checkConformance(proofSubject)).toEqual([]);
            expect(
              new X509Certificate(device.certificatePem).verify(new X509Certificate(line.certificatePem).publicKey),
            ).toBe(true);
          },
        ),
        { ...runs, numRuns: 150 },
      ),
    timeouts,
  );
});

describe('whatever order a chain comes in', () => {
  it(
    'the verdict on its path is the same, and only the file is blamed',
    async () => {
      const { root, line, device } = await createFactory();
      const good = [device, line, root];
      const stranger = await createFactory();
      await fc.assert(
        fc.asyncProperty(
          fc.shuffledSubarray([...good, stranger.root, stranger.line], { minLength: 1 }),
          async (given) => {
            const chain = given.map(({ certificatePem }) => certificatePem).join('');
            const { findings } = await explain(chain, {
              trustedRootsPem: root.certificatePem + stranger.root.certificatePem,
            });
            const has = (wanted: readonly { serialNumber: string }[]): boolean =>
              wanted.every((one) => given.some(({ serialNumber }) => serialNumber === one.serialNumber));
            const isWhole = has([device, line]);
            if (isWhole) expect(findings.filter(({ rule }) => rule !== 'file')).toEqual([]);
            else expect(findings.some(({ rule }) => rule !== 'file') || !has([device])).toBe(true);
          },
        ),
        { ...runs, numRuns: 150 },
      );
    },
    timeouts,
  );
});

describe('whatever is written is read back', () => {
  it(
    'revocation lists',
    async () => {
      const { line } = await createFactory();
      const reason = fc.constantFrom<RevocationReason>(
        'keyCompromise',
        'superseded',
        'certificateHold',
        'aACompromise',
      );
      const moment = fc
        .date({ min: new Date('1950-01-01'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true })
        .map((date) => new Date(Math.floor(date.getTime() / 1000) * 1000));
      const serialNumber = fc
        .uint8Array({ minLength: 1, maxLength: 19 })
        .filter((octets) => (octets[0] ?? 0) > 0)
        .map((octets) => Buffer.from(octets).toString('hex'));
      const entry = fc.record({ serialNumber, revokedAt: moment, reason, invalidSince: moment });
      const entries = fc.uniqueArray(entry, { maxLength: 20, selector: ({ serialNumber: serial }) => serial });
      await fc.assert(
        fc.asyncProperty(entries, fc.bigInt({ min: 0n, max: 2n ** 159n - 1n }), async (revoked, number) => {
          const nextUpdate = new Date('2100-01-01T00:00:00Z');
          const crl = await createCrl(line, { revoked, number, nextUpdate });
          expect(crl).toMatchObject({ revoked, number, nextUpdate });
        }),
        runs,
      );
    },
    timeouts,
  );

  it(
    'PFX under any password and name',
    async () => {
      const { device } = await createFactory();
      const { chainPem, privateKeyPem } = device;
      await fc.assert(
        fc.asyncProperty(
          fc.string({ unit: 'grapheme', minLength: 1 }),
          fc.string({ unit: 'grapheme' }),
          async (password, friendlyName) => {
            const pfx = await encodePfx({ ...device, password, friendlyName });
            expect(await decodePfx(pfx, password)).toEqual({ chainPem, privateKeyPem, weaknesses: [] });
          },
        ),
        { ...runs, numRuns: 25 },
      );
    },
    timeouts,
  );
});
