import { execFileSync } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { selfSigned } from './est-server.ts';
import type { Contoso } from './contoso.ts';

/** An authority that issues what ours refuses to. */
export async function opensslIssue(
  csrDer: Uint8Array,
  { folder }: Contoso,
  options: { readonly subject: string; readonly extensions?: string; readonly days?: number },
): Promise<string> {
  const place = await mkdtemp(join(folder, 'issuer-'));
  const { cert, key } = selfSigned();
  await Promise.all([
    writeFile(join(place, 'ca.pem'), cert),
    writeFile(join(place, 'ca.key'), key),
    writeFile(join(place, 'request.der'), csrDer),
    writeFile(join(place, 'extensions'), options.extensions ?? ''),
  ]);
  const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'extensions'];
  const args = ['x509', '-req', '-inform', 'DER', '-in', 'request.der', '-days', String(options.days ?? 1000)];
  const leaf = execFileSync('openssl', [...args, ...signing, '-set_serial', '7', '-subj', options.subject], {
    cwd: place,
    encoding: 'utf8',
    stdio: 'pipe',
  });
  return leaf + cert;
}
