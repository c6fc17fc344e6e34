import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a device certificate made by OpenSSL is like; the defaults are a good one. */
export interface OpensslDeviceOptions {
  readonly commonName?: string;
  /** As `openssl req -newkey` takes it. */
  readonly newKey?: readonly string[];
  /** Extensions, one a line. */
  readonly extensions?: string;
  readonly digest?: string;
  /** Days from now. */
  readonly validFrom?: number;
  readonly validTo?: number;
  /** The line's certificate in the chain has the right name and another key. */
  readonly hasNamesakeIssuer?: boolean;
}

/** PEM: device, line and root, and the device's key. */
export interface OpensslDevice {
  readonly leaf: string;
  readonly line: string;
  readonly root: string;
  readonly key: string;
}

const ecKey = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
const goodExtensions =
  'extendedKeyUsage=clientAuth\nkeyUsage=critical,digitalSignature\nbasicConstraints=critical,CA:FALSE\n';

export function makeDevice(options: OpensslDeviceOptions = {}): OpensslDevice {
  const folder = mkdtempSync(join(tmpdir(), 'openssl-device-'));
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8');
  const authority = (name: string, subject: string, issuer?: string): void => {
    openssl(
      ...['req', '-x509', '-newkey', ...ecKey, '-nodes', '-subj', `/CN=${subject}`, '-days', '30'],
      ...['-addext', 'basicConstraints=critical,CA:TRUE', '-keyout', `${name}.key`, '-out', `${name}.pem`],
      ...(issuer === undefined ? [] : ['-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`]),
    );
  };
  const { commonName = 'device-1', newKey = ecKey, extensions = goodExtensions, digest = 'sha256' } = options;
  try {
    authority('root', 'Root');
    authority('line', 'Line', 'root');
    openssl(
      'req',
      '-newkey',
      ...newKey,
      '-nodes',
      '-subj',
      `/CN=${commonName}`,
      '-keyout',
      'device.key',
      '-out',
      'device.csr',
    );
    writeFileSync(join(folder, 'ext'), extensions);
    writeFileSync(join(folder, 'index'), '');
    writeFileSync(
      join(folder, 'ca.conf'),
      '[ca]\ndatabase=index\npolicy=p\nrand_serial=yes\nnew_certs_dir=.\n[p]\ncommonName=supplied\n',
    );
    openssl(
      ...['ca', '-batch', '-config', 'ca.conf', '-name', 'ca', '-in', 'device.csr', '-out', 'device.pem', '-notext'],
      ...['-cert', 'line.pem', '-keyfile', 'line.key', '-md', digest, '-extfile', 'ext'],
      ...['-startdate', asn1Time(options.validFrom ?? -1), '-enddate', asn1Time(options.validTo ?? 30)],
    );
    const device = { leaf: read('device.pem'), key: read('device.key') };
    if (options.hasNamesakeIssuer === true) authority('line', 'Line', 'root');
    return { ...device, line: read('line.pem'), root: read('root.pem') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Days from now as OpenSSL takes a time. */
function asn1Time(days: number): string {
  const iso = new Date(Date.now() + days * 86_400_000).toISOString();
  return `${iso.slice(0, 19).replaceAll(/[-:T]/g, '')}Z`;
}
