import 'reflect-metadata';
import { execFileSync, spawnSync } from 'node:child_process';
import { webcrypto } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import forge from 'node-forge';
import type { Way } from './pki-ways.ts';

/** Something that people use today, with how many certificates are enough for a measurement. */
export interface OtherWay {
  name: string;
  figure: string;
  count: number;
  way: Way;
}

/** What runs on this machine; for the others a sentence why not. */
export async function findOtherWays(folder: string): Promise<{ ways: OtherWay[]; missing: string[] }> {
  const ways: OtherWay[] = [
    {
      name: '@peculiar/x509 on Web Crypto, 16 in flight',
      figure: 'issueVsPeculiar',
      count: 320,
      way: await byPeculiar(),
    },
    { name: 'node-forge, RSA 2048 (it has no ECDSA)', figure: 'issueVsForge', count: 8, way: byForge() },
  ];
  const missing: string[] = [];
  if (spawnSync('openssl', ['version']).status === 0) {
    ways.push({
      name: 'OpenSSL CLI script, 3 processes each',
      figure: 'issueVsOpenssl',
      count: 15,
      way: byOpenSsl(folder),
    });
    const cfssl = byCfssl(folder);
    if (cfssl) ways.push({ name: 'cfssl gencert, 1 process each', figure: 'issueVsCfssl', count: 15, way: cfssl });
    else missing.push('cfssl is not installed (Debian: golang-cfssl)');
  } else {
    missing.push('openssl is not installed');
  }
  return { ways, missing };
}

async function byPeculiar(): Promise<Way> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const caKeys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const validity = { notBefore: new Date(), notAfter: new Date(Date.now() + 730 * 86_400_000) };
  const issue = async (): Promise<void> => {
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.create(
      {
        ...validity,
        subject: 'CN=thermostat-1',
        issuer: 'CN=bench-line',
        publicKey: keys.publicKey as never,
        signingKey: caKeys.privateKey as never,
        signingAlgorithm: algorithm,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
          await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
        ],
      },
      webcrypto,
    );
    await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
    certificate.toString('pem');
  };
  return async (count) => {
    let left = count;
    const work = async (): Promise<void> => {
      while (left-- > 0) await issue();
    };
    await Promise.all(Array.from({ length: 16 }, work));
  };
}

function byForge(): Way {
  const ca = forge.pki.rsa.generateKeyPair(2048);
  return async (count) => {
    for (let index = 0; index < count; index += 1) {
      const keys = forge.pki.rsa.generateKeyPair(2048);
      const certificate = forge.pki.createCertificate();
      certificate.publicKey = keys.publicKey;
      certificate.serialNumber = '01';
      certificate.validity.notAfter = new Date(Date.now() + 730 * 86_400_000);
      certificate.setSubject([{ name: 'commonName', value: 'thermostat-1' }]);
      certificate.setIssuer([{ name: 'commonName', value: 'bench-line' }]);
      certificate.setExtensions([
        { name: 'basicConstraints', cA: false, critical: true },
        { name: 'keyUsage', digitalSignature: true, critical: true },
        { name: 'extKeyUsage', clientAuth: true },
        { name: 'subjectKeyIdentifier' },
      ]);
      certificate.sign(ca.privateKey, forge.md.sha256.create());
      forge.pki.certificateToPem(certificate);
      forge.pki.privateKeyToPem(keys.privateKey);
    }
    await Promise.resolve();
  };
}

/** The three commands of every tutorial: key, request, certificate. */
function byOpenSsl(folder: string): Way {
  const path = (name: string): string => join(folder, name);
  const run = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' });
  run('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', path('ca.key'));
  run('req', '-x509', '-new', '-key', path('ca.key'), '-subj', '/CN=bench-line', '-days', '30', '-out', path('ca.pem'));
  writeFileSync(
    path('device.cnf'),
    'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n',
  );
  return async (count) => {
    for (let index = 0; index < count; index += 1) {
      run('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', path('device.key'));
      run('req', '-new', '-key', path('device.key'), '-subj', '/CN=thermostat-1', '-out', path('device.csr'));
      const ca = ['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial', '-days', '730'];
      run('x509', '-req', '-in', path('device.csr'), ...ca, '-extfile', path('device.cnf'), '-out', path('device.pem'));
    }
    await Promise.resolve();
  };
}

/** Its server needs a process too for each key, or a request made elsewhere: this is how it makes both. */
function byCfssl(folder: string): Way | undefined {
  const path = (name: string): string => join(folder, name);
  const request = { CN: 'thermostat-1', key: { algo: 'ecdsa', size: 256 } };
  const signing = { default: { expiry: '17520h', usages: ['digital signature', 'client auth'] } };
  writeFileSync(path('cfssl-request.json'), JSON.stringify(request));
  writeFileSync(path('cfssl-config.json'), JSON.stringify({ signing }));
  const ca = ['-ca', path('ca.pem'), '-ca-key', path('ca.key'), '-config', path('cfssl-config.json')];
  const run = (): boolean => {
    const { status, stdout } = spawnSync('cfssl', ['gencert', ...ca, path('cfssl-request.json')], { encoding: 'utf8' });
    return status === 0 && stdout.includes('BEGIN CERTIFICATE');
  };
  if (!run()) return undefined;
  return async (count) => {
    for (let index = 0; index < count; index += 1) if (!run()) throw new Error('cfssl failed');
    await Promise.resolve();
  };
}
