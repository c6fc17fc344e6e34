import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { explain, type ChainExplanation, type ChainProblemCode } from '../src/index.ts';
import { makeRaw, type MadeCertificate } from './certificate-maker.ts';
import { tableNow, type ChainCase } from './chain-maker.ts';
import { makeTable } from './chain-table.ts';
import { inTemporaryFolder } from './fixtures.ts';
import { itSaysWhetherOpenSslIsThere, itWithOpenSsl } from './openssl-cli.ts';

/**
 * Our code for each error number of OpenSSL 3 (X509_V_ERR_*) that the table provokes. Several, where OpenSSL sees less: an
 * issuer whose key, key identifier or key usage doesn't fit is to it no issuer at all.
 */
const noIssuer = ['CHAIN_ISSUER_MISSING', 'CHAIN_SIGNATURE', 'CHAIN_KEY_IDENTIFIER', 'CHAIN_KEY_USAGE'] as const;
const families: Readonly<Record<number, readonly ChainProblemCode[]>> = {
  2: [...noIssuer, 'CHAIN_ROOT_UNTRUSTED'],
  7: ['CHAIN_SIGNATURE'],
  9: ['CHAIN_NOT_YET_VALID'],
  10: ['CHAIN_EXPIRED'],
  18: ['CHAIN_ROOT_UNTRUSTED'],
  19: ['CHAIN_ROOT_UNTRUSTED'],
  20: [...noIssuer, 'CHAIN_ROOT_UNTRUSTED'],
  21: [...noIssuer, 'CHAIN_ROOT_UNTRUSTED'],
  25: ['CHAIN_PATH_LENGTH'],
  26: ['CHAIN_EXTENDED_KEY_USAGE', 'CHAIN_KEY_USAGE', 'CHAIN_CA_FLAG'],
  32: ['CHAIN_KEY_USAGE'],
  34: ['CHAIN_CRITICAL_EXTENSION'],
  43: ['CHAIN_CONSTRAINT'],
  // Name constraints: not permitted, excluded, with a minimum.
  47: ['CHAIN_CONSTRAINT'],
  48: ['CHAIN_CONSTRAINT'],
  49: ['CHAIN_CONSTRAINT'],
  // A kind that isn't compared; a constraint, or a name, that is malformed.
  51: ['CHAIN_CONSTRAINT'],
  52: ['CHAIN_CONSTRAINT'],
  53: ['CHAIN_CONSTRAINT'],
  79: ['CHAIN_CA_FLAG', 'CHAIN_KEY_USAGE'],
};
/** 80 to 95 are those of `-x509_strict`. */
const strictFamily: readonly ChainProblemCode[] = ['CHAIN_PROFILE', 'CHAIN_CA_FLAG', 'CHAIN_KEY_USAGE'];

const nobody = makeRaw({ name: 'Nobody' });

async function askOpenSsl(folder: string, each: ChainCase, options: readonly string[]): Promise<number[]> {
  const { chain, leaf = chain[0]! } = each;
  const trusted: readonly MadeCertificate[] = each.trusted ?? chain.filter(({ isRoot }) => isRoot);
  const path = (name: string): string => join(folder, name);
  const pem = (certificates: readonly { pem: string }[]): string => certificates.map((one) => one.pem).join('');
  await writeFile(path('leaf.pem'), leaf.pem);
  await writeFile(path('sent.pem'), pem(chain));
  await writeFile(path('trusted.pem'), pem(trusted.length === 0 ? [nobody] : trusted));
  const { stdout, stderr, status } = spawnSync(
    'openssl',
    [
      ...['verify', '-purpose', 'sslclient', '-policy', '2.5.29.32.0', '-no-CApath', '-no-CAstore'],
      ...['-attime', String(tableNow.getTime() / 1000), '-CAfile', path('trusted.pem'), '-untrusted', path('sent.pem')],
      // Where any root is trusted, it has to be one, and to have signed itself.
      each.trusted ? '-partial_chain' : '-check_ss_sig',
      ...options,
      path('leaf.pem'),
    ],
    { encoding: 'utf8' },
  );
  const errors = [...(stdout + stderr).matchAll(/^error (\d+) at/gm)].map(([, number]) => Number(number));
  // OpenSSL says "OK" and no error, or names one.
  expect([each.name, errors.length > 0]).toEqual([each.name, status !== 0]);
  return [...new Set(errors)];
}

function unexplained(errors: readonly number[], codes: readonly ChainProblemCode[]): number[] {
  return errors.filter((error) => {
    const family = families[error] ?? (error >= 80 && error <= 95 ? strictFamily : []);
    return !family.some((code) => codes.includes(code));
  });
}

function codesOf({ findings }: ChainExplanation, ...rules: string[]): ChainProblemCode[] {
  return findings.filter(({ rule }) => rules.includes(rule)).map(({ code }) => code);
}

itSaysWhetherOpenSslIsThere();

describe('explain agrees with OpenSSL: whether a chain is valid, and every reason that OpenSSL has', () => {
  const table = makeTable();

  it('in a table of at least 150 chains, good and bad', () => {
    expect(table.length).toBeGreaterThanOrEqual(150);
    expect(new Set(table.map(({ name }) => name)).size).toBe(table.length);
  });

  itWithOpenSsl.each([
    ['path validation', [], ['path']],
    ['strict after RFC 5280', ['-x509_strict'], ['path', 'profile']],
  ] as const)(
    '%s',
    (_name, options, rules) =>
      inTemporaryFolder(async (folder) => {
        const differing: string[] = [];
        let [valid, stricter] = [0, 0];
        for (const each of table) {
          const errors = await askOpenSsl(folder, each, options);
          const codes = codesOf(await ask(each), ...rules);
          valid += errors.length === 0 ? 1 : 0;
          const isRefused = errors.length > 0 || each.isStricter === true;
          const isSame = codes.length > 0 === isRefused;
          stricter += errors.length === 0 && isRefused ? 1 : 0;
          if (!isSame || unexplained(errors, codes).length > 0)
            differing.push(`${each.name}: ${errors.join()} ${codes.join()}`);
        }
        expect(differing).toEqual([]);
        expect(valid).toBeGreaterThan(30);
        expect(table.length - valid).toBeGreaterThan(90);
        expect(stricter).toBeGreaterThan(20);
      }),
    120_000,
  );
});

function ask({ chain, trusted }: ChainCase): Promise<ChainExplanation> {
  return explain(
    chain.map(({ der }) => der),
    { now: tableNow, ...(trusted && { trustedRootsPem: trusted.map(({ pem }) => pem).join('') }) },
  );
}
