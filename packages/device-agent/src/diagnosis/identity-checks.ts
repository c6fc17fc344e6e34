import { stat } from 'node:fs/promises';
import type { DeviceAgentErrorCode } from '../errors.ts';
import { DeviceAgentError } from '../errors.ts';
import { loadIdentity, type DeviceIdentity, type IdentitySource } from '../identity/device-identity.ts';
import type { Check, Examination } from './examination.ts';
import { found } from './examination.ts';
import { failed, failedBy, ok, skipped, warning, type Outcome } from './outcome.ts';

/** Reading an identity fails at the first obstacle: each of these checks answers for its own. */
export const identityChecks: readonly Check[] = [
  {
    name: 'identity-file',
    title: 'Identity can be read',
    run: async ({ options, findings }) => {
      const loaded = await load(options.identity);
      if ('identity' in loaded) findings.identity = loaded.identity;
      else if (isAbout(loaded.error, 'ERR_AGENT_IDENTITY_FILE')) return failedBy(loaded.error);
      return ok(filesOf(options.identity).join(', ') || 'given as text');
    },
  },
  {
    name: 'identity-password',
    title: 'Password opens the private key',
    needs: ['identity-file'],
    run: (examination) => obstacle(examination, 'ERR_AGENT_PASSWORD', 'the private key can be opened'),
  },
  {
    name: 'identity-key',
    title: 'Private key belongs to the certificate',
    needs: ['identity-password'],
    run: async (examination) => {
      const outcome = await obstacle(examination, 'ERR_AGENT_IDENTITY_INVALID', '');
      if (outcome.status !== 'ok') return outcome;
      const { certificate } = found(examination.findings.identity, 'the identity');
      return ok(`${certificate.subject}, issued by ${certificate.issuer}, SHA-256 ${certificate.thumbprintSha256}`);
    },
  },
  {
    name: 'key-file-mode',
    title: 'Private key is closed to others',
    needs: ['identity-file'],
    run: async ({ options }) => {
      const file = filesOf(options.identity).at(-1);
      if (file === undefined) return skipped('the private key is in no file');
      if (process.platform === 'win32') return skipped('Windows keeps access lists, not modes');
      return keyFileMode(file, (await stat(file)).mode & 0o777);
    },
  },
  {
    name: 'registration-id',
    title: 'Common name is a registration ID',
    needs: ['identity-key'],
    run: ({ findings }) => registrationIdRules(found(findings.identity, 'the identity').registrationId),
  },
];

type Loaded = { readonly identity: DeviceIdentity } | { readonly error: unknown };

function load(source: IdentitySource): Promise<Loaded> {
  return loadIdentity(source).then(
    (identity) => ({ identity }),
    (error: unknown) => ({ error }),
  );
}

/** Files that an identity is read from; the last one holds the private key. */
export function filesOf(source: IdentitySource): readonly string[] {
  if ('pfxFile' in source) return [source.pfxFile];
  return 'chainFile' in source ? [source.chainFile, source.keyFile] : [];
}

const isAbout = (error: unknown, code: DeviceAgentErrorCode): boolean =>
  error instanceof DeviceAgentError && error.code === code;

async function obstacle(
  { options, findings }: Examination,
  code: DeviceAgentErrorCode,
  detail: string,
): Promise<Outcome> {
  if (findings.identity) return ok(detail);
  const loaded = await load(options.identity);
  return 'error' in loaded && isAbout(loaded.error, code) ? failedBy(loaded.error) : ok(detail);
}

function keyFileMode(file: string, mode: number): Outcome {
  const detail = `${file} has mode ${mode.toString(8).padStart(4, '0')}`;
  const fix = `chmod 600 ${file}`;
  if ((mode & 0o007) !== 0) return failed(`${detail}: every user of this device can use the key`, fix);
  if ((mode & 0o070) !== 0)
    return warning(`${detail}: its group can use the key`, `${fix}, unless the group is meant to`);
  return ok(detail);
}

/** Azure documents, "Terminology for DPS" (registration ID), and RFC 5280 appendix A.1 (ub-common-name). */
function registrationIdRules(id: string): Outcome {
  const fix =
    'Issue the certificate again with a common name of up to 64 of a-z, 0-9, hyphen, full stop and underscore.';
  if (id.length > 64) return failed(`${id} has ${id.length} characters, and a common name holds 64`, fix);
  const other = /[^A-Za-z0-9._:-]/u.exec(id)?.[0];
  if (other !== undefined) return failed(`${id} contains ${JSON.stringify(other)}, which DPS does not allow`, fix);
  if (!/[A-Za-z0-9-]$/.test(id)) return failed(`${id} must end with a letter, a digit or a hyphen`, fix);
  if (/[A-Z]/.test(id)) {
    return warning(
      `${id} has upper-case letters: DPS ignores case and IoT Hub does not, so one device can become two`,
      fix,
    );
  }
  return ok(id);
}
