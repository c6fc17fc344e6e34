import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A server's certificate and key, under a root made for it by OpenSSL. */
export interface TlsSite {
  readonly cert: string;
  readonly key: string;
  readonly rootPem: string;
}

/** @param days - validity from now; negative: it has ended */
export function makeTlsSite(names: readonly string[], { days = 30, bits = 2048 } = {}): TlsSite {
  const folder = mkdtempSync(join(tmpdir(), 'tls-site-'));
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const newKey = ['-newkey', 'rsa:2048', '-nodes'];
  try {
    openssl(
      'req',
      '-x509',
      ...newKey,
      '-subj',
      '/CN=Test Site Root',
      '-days',
      '30',
      '-keyout',
      'root.key',
      '-out',
      'root.pem',
    );
    openssl(
      'req',
      '-newkey',
      `rsa:${bits}`,
      '-nodes',
      '-subj',
      `/CN=${names[0] ?? ''}`,
      '-keyout',
      'site.key',
      '-out',
      'site.csr',
    );
    const alternatives = names.map((name) => (/^[\d.]+$|:/.test(name) ? `IP:${name}` : `DNS:${name}`)).join(',');
    writeFileSync(join(folder, 'site.ext'), `subjectAltName=${alternatives}\nextendedKeyUsage=serverAuth\n`);
    openssl(
      ...['x509', '-req', '-in', 'site.csr', '-CA', 'root.pem', '-CAkey', 'root.key', '-CAcreateserial'],
      ...['-days', String(days), '-extfile', 'site.ext', '-out', 'site.pem'],
    );
    const read = (file: string): string => readFileSync(join(folder, file), 'utf8');
    return { cert: read('site.pem'), key: read('site.key'), rootPem: read('root.pem') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
