import { describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import {
  createCrossCertificate,
  createLineAuthority,
  createProofOfPossession,
  createRootAuthority,
  issueDeviceCertificate,
  renewDeviceCertificate,
} from '../src/index.ts';
import { parseCertificates } from '../src/certificate.ts';
import { openInventory } from '../src/inventory/index.ts';
import {
  basicConstraints,
  der,
  extendedKeyUsage,
  extension,
  keyFor,
  keyUsage,
  makeRaw,
  nameOf,
  oid,
  sequence,
  usageId,
  type CertificatePlan,
} from './certificate-maker.ts';
import { checkConformance, type ConformanceSubject } from './conformance.ts';
import { inTemporaryFolder } from './fixtures.ts';
import { createLine, deviceIds, issueIds, issueRequests, makeRequests } from './mass-source.ts';

interface Issued {
  certificatePem: string;
}

const derOf = ({ certificatePem }: Issued): Uint8Array => new Uint8Array(parseCertificates(certificatePem)[0].rawData);

function expectConformance(
  issued: Issued,
  issuer: Issued,
  rest: Omit<ConformanceSubject, 'certificateDer' | 'issuerDer'>,
): void {
  expect(checkConformance({ certificateDer: derOf(issued), issuerDer: derOf(issuer), ...rest })).toEqual([]);
}

describe('conforming to RFC 5280 besides', () => {
  it('names in any script, a renewal, roots that certify each other, other path lengths', async () => {
    const root = await createRootAuthority({ commonName: 'Root №1 🏭', pathLength: 3, keyAlgorithm: 'P-384' });
    expectConformance(root, root, { kind: 'root', pathLength: 3, registrationId: 'Root №1 🏭' });
    const next = await createRootAuthority({ commonName: 'Root №1 🏭', pathLength: 2 });
    const cross = await createCrossCertificate(root, { certificatePem: next.certificatePem });
    expectConformance(cross, root, { kind: 'cross', pathLength: 2 });
    const line = await createLineAuthority(next, { lineName: 'Línea', keyAlgorithm: 'RSA-2048' });
    expectConformance(line, next, { kind: 'line' });
    const registrationId = 'thermostat-1';
    const device = await issueDeviceCertificate(line, { registrationId });
    const renewed = await renewDeviceCertificate(line, { previous: device.certificatePem });
    expectConformance(renewed, line, { kind: 'renewal', registrationId, previousDer: derOf(device) });
  });

  it('renewals in mass, with keys made here and with requests', () =>
    inTemporaryFolder(async (folder) => {
      const inventory = await openInventory(join(folder, 'inventory.db'));
      const line = await createLine();
      const ids = deviceIds(3);
      const order = { line, inventory, station: 'station-1', orderedBy: 'order 4711' };
      const renewal = { ...order, renewEndingBefore: line.notAfter };
      const first = await issueIds(ids, { ...order, validityDays: 10 });
      const second = await issueIds(ids, { ...renewal, validityDays: 20 });
      const third = await issueRequests(await makeRequests(ids), renewal);
      for (const [index, registrationId] of ids.entries()) {
        const [one, two, three] = [derOf(first[index]!), derOf(second[index]!), third[index]!];
        expectConformance(second[index]!, line, { kind: 'renewal', registrationId, previousDer: one });
        expectConformance(three, line, { kind: 'renewal', registrationId, previousDer: two });
      }
      await inventory.close();
    }));

  it.each([
    ['1950', '1950-01-01T00:05:00Z'],
    ['1999 into 2000', '1999-12-31T23:59:59Z'],
    ['a leap day', '2028-02-29T12:00:00Z'],
    ['the last second of UTCTime', '2049-12-31T23:59:59Z'],
    ['the first second of GeneralizedTime', '2050-01-01T00:00:00Z'],
    ['the far future', '9980-01-01T00:00:00Z'],
  ])('dates: %s', async (_name, iso) => {
    const now = new Date(iso);
    const root = await createRootAuthority({ commonName: 'Root', now });
    const line = await createLineAuthority(root, { lineName: 'Line', now });
    const device = await issueDeviceCertificate(line, { registrationId: 'd1', now });
    expectConformance(root, root, { kind: 'root' });
    expectConformance(line, root, { kind: 'line' });
    expectConformance(device, line, { kind: 'device', registrationId: 'd1' });
  });

  it('never outlives its issuer, at either end', async () => {
    const now = new Date('2027-01-01T00:00:00Z');
    const root = await createRootAuthority({ commonName: 'Root', now, validityDays: 10 });
    // A moment after the root begins, and so before five minutes of it have passed.
    const early = new Date(root.notBefore.getTime() + 1000);
    const line = await createLineAuthority(root, { lineName: 'Line', now: early, validityDays: 100 });
    const device = await issueDeviceCertificate(line, { registrationId: 'd1', now: early, validityDays: 1000 });
    for (const { notBefore, notAfter } of [line, device]) {
      expect([notBefore, notAfter]).toEqual([root.notBefore, root.notAfter]);
    }
  });

  it('serial numbers: 128 bits that are all random, none twice', async () => {
    const root = await createRootAuthority({ commonName: 'Root' });
    const proofs = await Promise.all(Array.from({ length: 400 }, () => createProofOfPossession(root, 'CODE')));
    const serials = proofs.map((proof) => parseCertificates(proof.certificatePem)[0].serialNumber.slice(-32));
    expect(new Set(serials).size).toBe(400);
    const numbers = serials.map((serial) => BigInt(`0x${serial}`));
    for (let bit = 0n; bit < 128n; bit += 1n) {
      const set = numbers.filter((number) => (number >> bit) & 1n).length;
      // Of 400 tosses: 7.5 standard deviations from the middle.
      expect([bit, Math.abs(set - 200) < 75]).toEqual([bit, true]);
    }
  });
});

describe('the suite sees what is wrong', () => {
  const authority = [basicConstraints(true, 1), keyUsage(5, 6)];
  const root = makeRaw({ name: 'Root', extensions: authority, notBefore: '2026-02-01T00:00:00Z' });
  const right = {
    constraints: basicConstraints(false),
    usage: keyUsage(0),
    extended: extendedKeyUsage(usageId.clientAuth),
  };
  const { constraints, usage, extended } = right;
  const good = [constraints, usage, extended];
  const dates = { notBefore: '2026-03-01T00:00:00Z', notAfter: '2027-01-01T00:00:00Z' };
  const twoNames = sequence(...[0, 1].map(() => der(0x31, sequence(oid('2.5.4.3'), der(0x0c, 'd1')))));
  const writtenOut = sequence(oid('2.5.29.37'), der(1, Uint8Array.of(0)), der(4, sequence(oid(usageId.clientAuth))));
  const look = (odd: Partial<CertificatePlan>, rest: Partial<ConformanceSubject> = {}): string => {
    const { der: certificateDer } = makeRaw({ name: 'd1', issuer: root, extensions: good, ...dates, ...odd });
    return checkConformance({ certificateDer, issuerDer: root.der, kind: 'device', ...rest }).join('\n');
  };

  it('nothing but the short serial numbers of what the tests make', () => {
    expect(look({})).toBe('the serial number has 9 octets, too few for 128 random bits');
  });

  it.each<[string, Partial<CertificatePlan>, Partial<ConformanceSubject>]>([
    ['not version 3', { version: 1 }, {}],
    ['signature algorithm', { hash: 'sha384' }, {}],
    ['key algorithm', { kind: 'P-521' }, {}],
    ['begins before its issuer', { notBefore: '2026-01-01T00:00:00Z' }, {}],
    ['outlives its issuer', { notAfter: '2037-01-01T00:00:00Z' }, {}],
    ['ends before it begins', { notAfter: '2026-02-02T00:00:00Z' }, {}],
    ['octet for octet', { issuerName: nameOf('root') }, {}],
    ['not a common name alone', { name: twoNames }, {}],
    ['no UTF8String', { name: nameOf('d1', 0x14) }, {}],
    ['a common name of 65 characters', { name: 'd'.repeat(65) }, {}],
    ['not "d2"', {}, { registrationId: 'd2' }],
    ['extension 551d13 is missing', { extensions: [usage, extended] }, {}],
    [
      'extension 551d13 is not critical',
      { extensions: [basicConstraints(false, undefined, false), usage, extended] },
      {},
    ],
    ['extension 551d13 is 3006', { extensions: [basicConstraints(true, 1), usage, extended] }, {}],
    ['extension 551d0f is 030205a0', { extensions: [constraints, keyUsage(0, 2), extended] }, {}],
    ['extension 551d25 is missing', { extensions: [constraints, usage] }, {}],
    ['is there twice', { extensions: [...good, constraints] }, {}],
    ['has no place in this profile', { extensions: [...good, extension('1.2.3.4', der(5))] }, {}],
    ['"critical FALSE" is written out', { extensions: [constraints, usage, writtenOut] }, {}],
    [
      'neither 00 nor FF',
      { extensions: [extension('2.5.29.19', sequence(der(1, Uint8Array.of(1)))), usage, extended] },
      {},
    ],
    [
      'BIT STRING with unused bits',
      { extensions: [constraints, extension('2.5.29.15', der(3, Uint8Array.of(7, 0x81)), true), extended] },
      {},
    ],
    ['extension 551d0e is missing', { keyIds: { subject: false } }, {}],
    ['extension 551d23 is missing', { keyIds: { authority: false } }, {}],
    ['extension 551d23 is 3005', { keyIds: { authorityIs: Uint8Array.of(1, 2, 3) } }, {}],
    ['not signed by its issuer', { signer: keyFor('P-256', 'another') }, {}],
  ])('%s', (words, odd, rest) => {
    expect(look(odd, rest)).toContain(words);
  });

  it('renewals that are none', () => {
    const { der: previousDer } = makeRaw({ name: 'd1', issuer: root, extensions: good, ...dates });
    expect(look({ name: 'd2' }, { kind: 'renewal', previousDer })).toContain('under another name');
    expect(look({}, { kind: 'renewal', previousDer })).toContain('with the old key');
    const itself = { certificateDer: previousDer, previousDer, issuerDer: root.der, kind: 'renewal' } as const;
    expect(checkConformance(itself).join()).toContain('old serial number');
  });

  it('what is not DER', () => {
    const { der: bytes } = makeRaw({ name: 'd1', issuer: root, extensions: good, ...dates });
    const check = (certificateDer: Uint8Array): string =>
      checkConformance({ certificateDer, issuerDer: root.der, kind: 'device' }).join('\n');
    expect(check(Buffer.concat([bytes, Uint8Array.of(0)]))).toContain('octets behind the end');
    expect(check(bytes.subarray(0, -1))).toContain('unreadable');
    const body = bytes.subarray(4);
    const long = Buffer.concat([Uint8Array.of(0x30, 0x83, 0, body.length >> 8, body.length & 0xff), body]);
    expect(check(long)).toContain('shortest form');
    expect(check(Buffer.concat([Uint8Array.of(0x30, 0x80), body, Uint8Array.of(0, 0)]))).toContain('indefinite');
  });
});
