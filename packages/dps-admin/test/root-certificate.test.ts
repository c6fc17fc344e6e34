import { beforeEach, describe, expect, it } from '@jest/globals';
import { createRootAuthority, issueDeviceCertificate, thumbprints } from '@contoso/pki';
import { deleteCaCertificate, ensureRootCertificate, getCaCertificate, listCaCertificates } from '../src/index.ts';
import type { RootCertificateOptions, RootCertificateProgress } from '../src/index.ts';
import { createAuthorities, names, prover, useAzure } from './azure.ts';
import { failureOf } from './failure.ts';

const test = useAzure({ isSetUp: true });
const { root, line } = await createAuthorities();
const otherRoot = await createRootAuthority({ commonName: 'Contoso Other Root' });

let counter = 0;
let options: RootCertificateOptions & { certificateName: string };
beforeEach(() => {
  counter += 1;
  const { resourceGroup, dpsName } = names;
  const certificateName = `root-${counter}`;
  options = { resourceGroup, dpsName, certificateName, certificatePem: root.certificatePem, signProof: prover(root) };
});

describe('ensureRootCertificate', () => {
  it('uploads and proves, as rootCA where no name is given', async () => {
    const { certificateName, ...unnamed } = options;
    const seen: RootCertificateProgress[] = [];
    const verified = await ensureRootCertificate(test.session, {
      ...unnamed,
      onProgress: (progress) => seen.push(progress),
    });
    expect(certificateName).not.toBe('rootCA');
    expect(verified).toEqual({
      name: 'rootCA',
      subject: 'Contoso Test Root',
      thumbprint: thumbprints(root.certificatePem).thumbprintSha1,
      etag: seen[2]?.etag,
      isVerified: true,
      changed: true,
    });
    expect(seen.map(({ step }) => step)).toEqual(['uploaded', 'code-received', 'verified']);
    expect(new Set(seen.map(({ etag }) => etag)).size).toBe(3);
    expect(await getCaCertificate(test.session, { ...names, certificateName: 'rootCA' })).toMatchObject({
      isVerified: true,
    });
  });

  it('does nothing the second time', async () => {
    const first = await ensureRootCertificate(test.session, options);
    const signed: string[] = [];
    const second = await ensureRootCertificate(test.session, {
      ...options,
      signProof: (code) => Promise.reject(new Error(`asked for ${String(signed.push(code))}`)),
    });
    expect(second).toEqual({ ...first, changed: false });
    expect(signed).toEqual([]);
  });

  it('takes DER for certificate and proof', async () => {
    const certificatePem = derOf(root.certificatePem);
    const verified = await ensureRootCertificate(test.session, {
      ...options,
      certificatePem,
      signProof: async (code) => derOf(await prover(root)(code)),
    });
    expect(verified.isVerified).toBe(true);
  });

  it('takes a line authority as well', async () => {
    const verified = await ensureRootCertificate(test.session, {
      ...options,
      certificatePem: line.certificatePem,
      signProof: prover(line),
    });
    expect(verified.subject).toBe('Contoso Line A');
  });

  it.each(['uploaded', 'code-received', 'verified'] as const)('goes on after a stop at %s', async (stop) => {
    const onProgress = ({ step }: RootCertificateProgress): void => {
      if (step === stop) throw new Error('stopped');
    };
    await expect(ensureRootCertificate(test.session, { ...options, onProgress })).rejects.toThrow('stopped');
    const steps: string[] = [];
    const verified = await ensureRootCertificate(test.session, {
      ...options,
      onProgress: ({ step }) => steps.push(step),
    });
    expect(verified.changed).toBe(stop !== 'verified');
    // The upload is not repeated: the proof only.
    expect(steps).toEqual(stop === 'verified' ? ['found'] : ['found', 'code-received', 'verified']);
  });

  it('passes an error of signProof on as it is; the certificate stays, unverified', async () => {
    const wrongPassword = new Error('wrong password');
    const signProof = (): Promise<string> => Promise.reject(wrongPassword);
    await expect(ensureRootCertificate(test.session, { ...options, signProof })).rejects.toBe(wrongPassword);
    expect(await getCaCertificate(test.session, options)).toMatchObject({ isVerified: false });
  });
});

describe('another certificate under the name', () => {
  beforeEach(async () => {
    await ensureRootCertificate(test.session, options);
  });

  it('ERR_CERTIFICATE_NAME_IN_USE names both and changes nothing', async () => {
    const before = await getCaCertificate(test.session, options);
    const error = await failureOf(() =>
      ensureRootCertificate(test.session, {
        ...options,
        certificatePem: otherRoot.certificatePem,
        signProof: prover(otherRoot),
      }),
    );
    expect(error).toMatchObject({ code: 'ERR_CERTIFICATE_NAME_IN_USE', advice: 'fix-input' });
    expect(error.message).toContain(root.thumbprintSha1);
    expect(error.message).toContain(otherRoot.thumbprintSha1);
    expect(await getCaCertificate(test.session, options)).toEqual(before);
  });

  it('is replaced when asked for', async () => {
    const verified = await ensureRootCertificate(test.session, {
      ...options,
      certificatePem: otherRoot.certificatePem,
      signProof: prover(otherRoot),
      replace: true,
    });
    expect(verified).toMatchObject({ subject: 'Contoso Other Root', isVerified: true, changed: true });
  });
});

describe('races', () => {
  it('goes on when somebody takes a new code in between', async () => {
    const other = await test.signIn();
    let interruptions = 0;
    const steps: string[] = [];
    const verified = await ensureRootCertificate(test.session, {
      ...options,
      onProgress: ({ step }) => steps.push(step),
      signProof: async (code) => {
        interruptions += 1;
        if (interruptions === 1) {
          const { etag } = (await getCaCertificate(other, options))!;
          const { certificateName, resourceGroup, dpsName } = options;
          await other.iotDps.dpsCertificate.generateVerificationCode(certificateName, etag, resourceGroup, dpsName);
        }
        return prover(root)(code);
      },
    });
    expect(verified.isVerified).toBe(true);
    expect(steps).toEqual(['uploaded', 'code-received', 'changed-meanwhile', 'found', 'code-received', 'verified']);
  });

  it('goes on when somebody deletes it in between', async () => {
    let calls = 0;
    const verified = await ensureRootCertificate(test.session, {
      ...options,
      signProof: async (code) => {
        calls += 1;
        if (calls === 1) await deleteCaCertificate(test.session, options);
        return prover(root)(code);
      },
    });
    expect(verified.isVerified).toBe(true);
  });

  it('two operators at once both end with the verified root', async () => {
    const other = await test.signIn();
    const both = await Promise.all([
      ensureRootCertificate(test.session, options),
      ensureRootCertificate(other, options),
    ]);
    expect(both.map(({ isVerified }) => isVerified)).toEqual([true, true]);
    expect(
      (await listCaCertificates(test.session, names)).filter(({ name }) => name === options.certificateName),
    ).toHaveLength(1);
  });

  it('ERR_ETAG_STALE when somebody never stops', async () => {
    let calls = 0;
    const error = await failureOf(() =>
      ensureRootCertificate(test.session, {
        ...options,
        signProof: async (code) => {
          calls += 1;
          const { etag } = (await getCaCertificate(test.session, options))!;
          const { certificateName, resourceGroup, dpsName } = options;
          await test.session.iotDps.dpsCertificate.generateVerificationCode(
            certificateName,
            etag,
            resourceGroup,
            dpsName,
          );
          return prover(root)(code);
        },
      }),
    );
    expect(error).toMatchObject({ code: 'ERR_ETAG_STALE', advice: 're-read', httpStatus: 412, azureCode: '412001' });
    expect(calls).toBe(5);
  });
});

describe('proofs that are wrong', () => {
  it('ERR_PROOF_REJECTED for a proof of another authority says whose it is', async () => {
    const error = await failureOf(() =>
      ensureRootCertificate(test.session, { ...options, signProof: prover(otherRoot) }),
    );
    expect(error).toMatchObject({ code: 'ERR_PROOF_REJECTED', advice: 'fix-input', azureCode: '400053' });
    expect(error.message).toMatch(/'Contoso Other Root' signed it; uploaded is 'Contoso Test Root'/);
    expect(await getCaCertificate(test.session, options)).toMatchObject({ isVerified: false });
    expect(await ensureRootCertificate(test.session, options)).toMatchObject({ isVerified: true });
  });

  it('ERR_PROOF_REJECTED for a proof with another code, which is not sent', async () => {
    const error = await failureOf(() =>
      ensureRootCertificate(test.session, { ...options, signProof: () => prover(root)('ABCDEF') }),
    );
    expect(error.code).toBe('ERR_PROOF_REJECTED');
    expect(error.httpStatus).toBeUndefined();
    expect(error.message).toContain("'ABCDEF'");
  });

  it('ERR_CERTIFICATE_INVALID for something else', async () => {
    const error = await failureOf(() =>
      ensureRootCertificate(test.session, { ...options, signProof: () => Promise.resolve('proof') }),
    );
    expect(error.code).toBe('ERR_CERTIFICATE_INVALID');
    expect(error.message).toContain('proof-of-possession certificate');
  });
});

describe('root certificates that are wrong', () => {
  it.each([
    ['is no certificate', 'cannot be read', () => Promise.resolve('hello')],
    [
      'is a device’s',
      'not a CA certificate',
      async () => (await issueDeviceCertificate(line, { registrationId: 'd1' })).certificatePem,
    ],
    [
      'has expired',
      'expired at',
      async () =>
        (await createRootAuthority({ commonName: 'Old', validityDays: 1, now: new Date('2020-01-01T00:00:00Z') }))
          .certificatePem,
    ],
  ])('ERR_CERTIFICATE_INVALID when it %s; nothing is uploaded', async (_what, reason, make) => {
    const certificatePem = await make();
    const error = await failureOf(() => ensureRootCertificate(test.session, { ...options, certificatePem }));
    expect(error).toMatchObject({ code: 'ERR_CERTIFICATE_INVALID', advice: 'fix-input' });
    expect(error.message).toContain(reason);
    expect(await getCaCertificate(test.session, options)).toBeUndefined();
  });

  it('expiry is told by the given clock', async () => {
    const error = await failureOf(() =>
      ensureRootCertificate(test.session, { ...options, now: () => new Date(root.notAfter.getTime() + 1) }),
    );
    expect(error.code).toBe('ERR_CERTIFICATE_INVALID');
  });
});

describe('where there is no such instance', () => {
  it('ERR_DPS_NOT_FOUND says so', async () => {
    const error = await failureOf(() => ensureRootCertificate(test.session, { ...options, dpsName: 'no-such-dps' }));
    expect(error).toMatchObject({ code: 'ERR_DPS_NOT_FOUND', advice: 'fix-azure', httpStatus: 404 });
    expect(error.message).toContain("'no-such-dps'");
  });

  it('ERR_RESOURCE_GROUP_NOT_FOUND says so', async () => {
    const error = await failureOf(() =>
      ensureRootCertificate(test.session, { ...options, resourceGroup: 'no-such-rg' }),
    );
    expect(error.code).toBe('ERR_RESOURCE_GROUP_NOT_FOUND');
  });
});

describe('deleteCaCertificate', () => {
  it('deletes once, by ETag where one is given', async () => {
    const { etag } = await ensureRootCertificate(test.session, options);
    expect((await failureOf(() => deleteCaCertificate(test.session, options, 'c3RhbGU='))).code).toBe('ERR_ETAG_STALE');
    expect(await deleteCaCertificate(test.session, options, etag)).toBe(true);
    expect(await deleteCaCertificate(test.session, options)).toBe(false);
  });
});

function derOf(pem: string): Uint8Array {
  return Buffer.from(pem.replaceAll(/-----[^-]*-----|\s/g, ''), 'base64');
}
