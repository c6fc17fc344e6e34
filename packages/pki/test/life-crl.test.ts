import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import {
  createCrl,
  createLineAuthority,
  createRootAuthority,
  createSoftwareKey,
  encryptPrivateKey,
  explain,
  issueDeviceCertificate,
  openAuthority,
  readCrl,
  type CertificateAuthority,
  type CrlOptions,
  type DeviceCredential,
  type KeyAlgorithm,
  type RevocationReason,
  type RevokedCertificate,
} from '../src/index.ts';
import { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension } from '../src/engine.ts';
import { makeRaw } from './certificate-maker.ts';
import { createFactory, expectCode, inTemporaryFolder, makeCertificate, toPem } from './fixtures.ts';
import { itSaysWhetherOpenSslIsThere, itWithOpenSsl, openSsl } from './openssl-cli.ts';

const dayMs = 86_400_000;
const now = new Date(Math.floor(Date.now() / 1000) * 1000);
const soon = new Date(now.getTime() + 7 * dayMs);
const reasons: readonly RevocationReason[] = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'privilegeWithdrawn',
  'aACompromise',
];

function list(authority: CertificateAuthority, options: Partial<CrlOptions> = {}): ReturnType<typeof createCrl> {
  return createCrl(authority, { revoked: [], number: 1, nextUpdate: soon, now, ...options });
}

function revoke(
  { serialNumber }: { serialNumber: string },
  rest: Partial<RevokedCertificate> = {},
): RevokedCertificate {
  return { serialNumber, revokedAt: now, ...rest };
}

describe('a revocation list', () => {
  it('says who was revoked, when and why, and comes back as it was', async () => {
    const { line, device } = await createFactory();
    const revoked = reasons.map((reason, index) =>
      revoke(
        { serialNumber: `${index + 1}0ff`.padStart(4, '0') },
        { reason, ...(index === 1 && { invalidSince: new Date(now.getTime() - dayMs) }) },
      ),
    );
    const crl = await list(line, { revoked: [...revoked, revoke(device)], number: 17n });
    expect(crl).toMatchObject({
      issuer: 'CN=Line 1',
      number: 17n,
      // As notBefore of certificates: servers whose clock is a little behind take it too.
      thisUpdate: new Date(now.getTime() - 5 * 60_000),
      nextUpdate: soon,
      authorityKeyId: expect.stringMatching(/^[0-9a-f]{40}$/),
    });
    // Left out of the list, as RFC 5280 section 5.3.1 wants.
    const [{ reason: _unspecified, ...first }, ...rest] = revoked as [RevokedCertificate, ...RevokedCertificate[]];
    expect(crl.revoked).toEqual([first, ...rest, revoke(device)]);
    expect(readCrl(crl.crlPem)).toEqual(crl);
    expect(readCrl(crl.crlDer)).toEqual(crl);
    expect(crl.crlPem).toMatch(/^-----BEGIN X509 CRL-----\n/);
  });

  it('may be empty, far away in time, and have a number of 20 octets', async () => {
    const { line } = await createFactory();
    const nextUpdate = new Date('2051-01-01T00:00:00Z');
    const crl = await list(line, { number: 2n ** 159n - 1n, nextUpdate });
    expect(crl).toMatchObject({ revoked: [], number: 2n ** 159n - 1n, nextUpdate });
  });

  it('is signed by a key in any custody', async () => {
    const root = await createRootAuthority({ commonName: 'Root' });
    const key = await createSoftwareKey();
    const { keyAlgorithm, publicKeyDer } = key;
    const held = { keyAlgorithm, publicKeyDer, sign: (data: Uint8Array) => key.sign(data) };
    const line = await createLineAuthority(root, { lineName: 'Held', key: held });
    const device = await issueDeviceCertificate(line, { registrationId: 'd1' });
    const { crlPem } = await list(line, { revoked: [revoke(device)] });
    const { findings } = await explain(device.chainPem, { crls: [crlPem] });
    expect(findings.map(({ code }) => code)).toEqual(['CHAIN_REVOKED']);
  });

  it('holds a hundred thousand', async () => {
    const { line, device } = await createFactory();
    const many = Array.from({ length: 100_000 }, (_, index) =>
      revoke({ serialNumber: `01${index.toString(16).padStart(32, '0')}` }, { reason: 'superseded' }),
    );
    const crl = await list(line, { revoked: [...many, revoke(device)] });
    expect(crl.revoked).toHaveLength(100_001);
    expect((await explain(device.chainPem, { crls: [crl.crlDer] })).isValid).toBe(false);
    const tooMany = Array.from({ length: 500_000 }, (_, index) =>
      revoke({ serialNumber: `01${index.toString(16).padStart(32, '0')}` }),
    );
    await expectCode(list(line, { revoked: tooMany }), 'ERR_PKI_REVOCATION');
  }, 60_000);

  it.each<[string, Partial<CrlOptions>]>([
    ['a serial number twice', { revoked: [revoke({ serialNumber: '0a' }), revoke({ serialNumber: '000A' })] }],
    ['no serial number', { revoked: [revoke({ serialNumber: '' })] }],
    ['serial number 0', { revoked: [revoke({ serialNumber: '00' })] }],
    ['no hexadecimal', { revoked: [revoke({ serialNumber: 'xyz' })] }],
    ['too long a serial number', { revoked: [revoke({ serialNumber: '01'.repeat(21) })] }],
    [
      'a reason that there is not',
      { revoked: [revoke({ serialNumber: '0a' }, { reason: 'lost' as RevocationReason })] },
    ],
    [
      'removeFromCRL, which is for delta lists',
      { revoked: [revoke({ serialNumber: '0a' }, { reason: 'removeFromCRL' as RevocationReason })] },
    ],
    ['a negative number', { number: -1 }],
    ['half a number', { number: 1.5 }],
    ['too large a number', { number: 2n ** 159n }],
    ['a next list that is not later', { nextUpdate: now }],
    ['a year that X.509 has not', { nextUpdate: new Date('+010000-01-01T00:00:00Z') }],
  ])('fail: %s', async (_name, options) => {
    const { line } = await createFactory();
    await expectCode(list(line, options), 'ERR_PKI_REVOCATION');
  });

  it('fail: wrong types', async () => {
    const { line } = await createFactory();
    const bad = { serialNumber: '0a', revokedAt: new Date(Number.NaN) };
    await expect(list(line, { revoked: [bad] })).rejects.toThrow(TypeError);
    await expect(list(line, { revoked: [{ ...bad, serialNumber: 5 as unknown as string }] })).rejects.toThrow(
      TypeError,
    );
    expect(() => readCrl(5 as unknown as string)).toThrow(TypeError);
  });

  it('fail: an authority that has expired, or that may not sign lists', async () => {
    const { line } = await createFactory();
    const later = new Date(line.notAfter.getTime() + dayMs);
    const nextUpdate = new Date(later.getTime() + dayMs);
    await expectCode(list(line, { now: later, nextUpdate }), 'ERR_PKI_ISSUER_NOT_VALID');
    const usage = [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
    ];
    const made = await makeCertificate('No CRL', { extensions: usage });
    const authority = openAuthority({ chainPem: toPem(made), key: made.key });
    await expectCode(
      list(authority, { now: new Date('2026-02-01'), nextUpdate: new Date('2026-03-01') }),
      'ERR_PKI_NOT_AN_AUTHORITY',
    );
  });

  it.each([
    ['text', 'hello'],
    ['a certificate', undefined],
    ['no CRL', Uint8Array.of(0x30, 0)],
  ])('fail: to read %s', async (_name, content) => {
    const { line } = await createFactory();
    await expectCode(() => readCrl(content ?? line.certificatePem), 'ERR_PKI_CRL_UNREADABLE');
  });
});

describe('explain with revocation lists', () => {
  const codes = async (device: DeviceCredential, crls: readonly (string | Uint8Array)[], at = now): Promise<string[]> =>
    (await explain(device.chainPem, { crls, now: at })).findings.map(({ code }) => code);

  it('tells a revoked device, and a revoked line', async () => {
    const { root, line, device } = await createFactory();
    const { crlPem } = await list(line, { revoked: [revoke(device, { reason: 'keyCompromise' })] });
    const { findings, azure } = await explain(device.chainPem, { crls: [crlPem], now });
    expect(findings).toMatchObject([{ code: 'CHAIN_REVOKED', certificateIndex: 0, severity: 'error', rule: 'path' }]);
    expect(findings[0]?.message).toContain('keyCompromise');
    expect(azure.says).toContain('reads no revocation lists');
    const roots = await list(root, { revoked: [revoke(line)] });
    expect(await codes(device, [crlPem, roots.crlDer])).toEqual(['CHAIN_REVOKED', 'CHAIN_REVOKED']);
    expect(await codes(device, [roots.crlDer])).toEqual(['CHAIN_REVOKED']);
  });

  it('takes the others, and what lists of strangers say', async () => {
    const { line, device } = await createFactory();
    const other = await createFactory();
    const { crlPem } = await list(other.line, { revoked: [revoke(device)] });
    expect(await codes(device, [(await list(line)).crlPem, crlPem])).toEqual([]);
  });

  it('tells a list that can not be relied on', async () => {
    const { line, device } = await createFactory();
    const { crlPem, crlDer } = await list(line);
    expect(await codes(device, [crlPem], new Date(soon.getTime() + 1000))).toEqual(['CHAIN_CRL']);
    const early = await list(line, { now: new Date(now.getTime() + 10 * 60_000) });
    expect(await codes(device, [early.crlPem], now)).toEqual(['CHAIN_CRL']);
    const altered = Uint8Array.from(crlDer);
    altered.set([(altered.at(-1) ?? 0) ^ 1], altered.length - 1);
    expect(await codes(device, [altered])).toEqual(['CHAIN_CRL']);
    expect(await codes(device, [altered, crlPem])).toEqual([]);
    await expectCode(explain(device.chainPem, { crls: ['x'] }), 'ERR_PKI_CRL_UNREADABLE');
  });
});

describe('Node honours it', () => {
  it('a TLS server refuses the revoked device and takes the other', async () => {
    const { root, line, device } = await createFactory();
    const other = await issueDeviceCertificate(line, { registrationId: 'thermostat-2' });
    const crl = [
      (await list(line, { revoked: [revoke(device, { reason: 'keyCompromise' })] })).crlPem,
      (await list(root)).crlPem,
    ];
    expect(await knock(root.certificatePem, crl, device)).toBe('CERT_REVOKED');
    expect(await knock(root.certificatePem, crl, other)).toBe('authorized');
  });

  it('and all of them when the next list is overdue', async () => {
    const { root, line, device } = await createFactory();
    const past = { now: new Date(now.getTime() - 60_000), nextUpdate: new Date(now.getTime() - 30_000) };
    const crl = [(await list(line, past)).crlPem, (await list(root)).crlPem];
    expect(await knock(root.certificatePem, crl, device)).toBe('CRL_HAS_EXPIRED');
  });
});

/** What the server makes of the device: `authorized`, or OpenSSL's name for the problem. */
async function knock(ca: string, crl: string[], device: DeviceCredential): Promise<string> {
  const own = makeRaw({ name: 'localhost' });
  const key = own.key.export({ format: 'pem', type: 'pkcs8' });
  const server = createServer({ cert: own.pem, key, ca, crl, requestCert: true, rejectUnauthorized: false });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  const { port } = server.address() as AddressInfo;
  const client = { cert: device.chainPem, key: device.privateKeyPem, ca: own.pem };
  const socket = connect({ port, host: '127.0.0.1', checkServerIdentity: () => undefined, ...client });
  try {
    const [peer] = await accepted;
    return peer.authorized ? 'authorized' : String(peer.authorizationError);
  } finally {
    socket.destroy();
    server.close();
  }
}

itSaysWhetherOpenSslIsThere();

describe('OpenSSL honours it', () => {
  itWithOpenSsl.each<KeyAlgorithm>(['P-256', 'P-384', 'RSA-2048'])('verify -crl_check_all: %s', (keyAlgorithm) =>
    inTemporaryFolder(async (folder) => {
      const root = await createRootAuthority({ commonName: 'Root', keyAlgorithm });
      const line = await createLineAuthority(root, { lineName: 'Line', keyAlgorithm });
      const [good, bad] = await Promise.all(
        ['good', 'bad'].map((registrationId) => issueDeviceCertificate(line, { registrationId })),
      );
      const path = (name: string): string => join(folder, name);
      const verify = async (device: DeviceCredential, crls: string[]): Promise<string> => {
        await writeFile(path('root.pem'), root.certificatePem);
        await writeFile(path('chain.pem'), device.chainPem);
        await writeFile(path('crls.pem'), crls.join(''));
        const files = ['-CAfile', path('root.pem'), '-untrusted', path('chain.pem'), '-CRLfile', path('crls.pem')];
        const args = ['verify', '-x509_strict', '-crl_check_all', ...files, path('chain.pem')];
        const { stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
        return /error (\d+) at/.exec(stdout + stderr)?.[1] ?? stdout.trim().split(' ').at(-1) ?? '';
      };
      const roots = await list(root);
      const lines = await list(line, { revoked: [revoke(bad!, { reason: 'cessationOfOperation' })] });
      expect(await verify(good!, [lines.crlPem, roots.crlPem])).toBe('OK');
      expect(await verify(bad!, [lines.crlPem, roots.crlPem])).toBe('23');
      expect(await verify(good!, [lines.crlPem])).toBe('3');
      const lineGone = await list(root, { revoked: [revoke(line, { reason: 'cACompromise' })], number: 2 });
      expect(await verify(good!, [lines.crlPem, lineGone.crlPem])).toBe('23');
    }),
  );

  itWithOpenSsl('its text: version, number, key identifier, reasons, dates', async () => {
    const { line, device } = await createFactory();
    const invalidSince = new Date('2026-01-02T03:04:05Z');
    const { crlPem } = await list(line, {
      revoked: [revoke(device, { reason: 'keyCompromise', invalidSince })],
      number: 0x1234,
    });
    const text = openSsl(['crl', '-noout', '-text'], crlPem);
    for (const words of [
      'Version 2 (0x1)',
      'Issuer: CN = Line 1',
      'X509v3 Authority Key Identifier',
      /X509v3 CRL Number: \n\s+(4660|0x1234)/,
      `Serial Number: ${device.serialNumber.toUpperCase()}`,
      /X509v3 CRL Reason Code: \n\s+Key Compromise/,
      /Invalidity Date: \n\s+Jan {2}2 03:04:05 2026 GMT/,
    ]) {
      expect(text).toMatch(words);
    }
    expect(text).not.toContain('critical');
  });

  itWithOpenSsl('we read its own list', () =>
    inTemporaryFolder(async (folder) => {
      const { line, device } = await createFactory();
      const path = (name: string): string => join(folder, name);
      await writeFile(path('ca.pem'), line.certificatePem);
      await writeFile(path('key.pem'), await encryptPrivateKey(line.key, 'secret'));
      await writeFile(path('device.pem'), device.certificatePem);
      await writeFile(path('index.txt'), '');
      await writeFile(path('number'), '0A\n');
      const settings = `database = ${path('index.txt')}\ncrlnumber = ${path('number')}\ndefault_md = sha256\ndefault_crl_days = 3\ncrl_extensions = ext`;
      const extensions = '[ext]\nauthorityKeyIdentifier = keyid:always';
      await writeFile(path('ca.cnf'), `[ca]\ndefault_ca = own\n[own]\n${settings}\n${extensions}\n`);
      const args = ['ca', '-config', path('ca.cnf'), '-cert', path('ca.pem'), '-keyfile', path('key.pem')];
      const pass = ['-passin', 'pass:secret'];
      openSsl([...args, ...pass, '-revoke', path('device.pem'), '-crl_reason', 'superseded']);
      const crl = openSsl([...args, ...pass, '-gencrl']);
      expect(readCrl(crl)).toMatchObject({
        issuer: 'CN=Line 1',
        number: 10n,
        revoked: [{ serialNumber: device.serialNumber, reason: 'superseded' }],
      });
      const { findings } = await explain(device.chainPem, { crls: [crl] });
      expect(findings.map(({ code }) => code)).toEqual(['CHAIN_REVOKED']);
    }),
  );
});
