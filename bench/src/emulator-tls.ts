import { readFileSync } from 'node:fs';
import type { TlsOptions } from 'node:tls';

/** Arguments of a server process: files with its certificate, its key, and the root of its clients. */
export function serverOptions(): TlsOptions {
  const [certificateFile = '', keyFile = '', rootFile = ''] = process.argv.slice(2);
  return {
    cert: readFileSync(certificateFile),
    key: readFileSync(keyFile),
    ca: readFileSync(rootFile),
    requestCert: true,
    rejectUnauthorized: true,
    // As the emulator speaks it.
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
    noDelay: true,
  };
}
