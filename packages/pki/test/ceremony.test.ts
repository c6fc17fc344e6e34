import { describe, expect, it } from '@jest/globals';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openPkcs11Token } from '../src/custody/pkcs11.ts';
import {
  createAuthorityRequest,
  createRootAuthority,
  createSoftwareKey,
  encryptPrivateKey,
  issueDeviceCertificate,
  loadAuthority,
  openAuthority,
  openSoftwareKey,
  readCertificates,
  saveAuthority,
  signAuthorityRequest,
  thumbprints,
  verifyChain,
  type KeyAlgorithm,
  type SigningKey,
} from '../src/index.ts';
import { expectCode, inTemporaryFolder, password } from './fixtures.ts';
import { itSaysWhetherSoftHsmIsThere, itWithSoftHsm, withToken } from './softhsm.ts';

const lineName = 'Line 1';

/** What the line's machine holds between two sessions: the key stays there, so it is opened anew each time. */
type OpenKey = () => Promise<SigningKey>;

/**
 * docs/ceremony.md step by step. Three folders stand for three places: the root's machine, which has no network; the line's;
 * and the medium that is carried between them, on which nothing secret may ever be.
 */
async function holdCeremony(folder: string, keys: { root: OpenKey; line: OpenKey }): Promise<void> {
  const [vault, station, medium] = ['vault', 'station', 'medium'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  // 1. The root is made, once. Its certificate goes out, its thumbprint is read aloud and written down.
  const root = await createRootAuthority({ commonName: 'Contoso Root CA', key: await keys.root() });
  await saveAuthority(root, { folder: vault, name: 'root', password });
  const writtenDown = root.thumbprintSha256;
  // 2. The line asks.
  const lineKey = await keys.line();
  const csr = await createAuthorityRequest(lineKey, { lineName });
  await mkdir(medium);
  await writeFile(join(medium, 'root.cer.pem'), root.certificatePem);
  await writeFile(join(medium, 'line-1.csr.pem'), csr);
  // 3. The root signs, with the name that was agreed on, and not with the one in the request.
  const reopened = await loadAuthority({ folder: vault, name: 'root', key: await keys.root() });
  const carried = await readFile(join(medium, 'line-1.csr.pem'), 'utf8');
  await expectCode(signAuthorityRequest(reopened, carried, { lineName: 'Line 2' }), 'ERR_PKI_CSR_SUBJECT');
  const answer = await signAuthorityRequest(reopened, carried, { lineName, validityDays: 365 });
  await writeFile(join(medium, 'line-1.chain.pem'), answer.chainPem);
  // 4. The line takes its certificate, when the root in it is the one that was written down.
  const chainPem = await readFile(join(medium, 'line-1.chain.pem'), 'utf8');
  const trustedRootsPem = readCertificates(chainPem).at(-1)?.certificatePem ?? '';
  expect(thumbprints(trustedRootsPem).thumbprintSha256).toBe(writtenDown);
  await expect(verifyChain({ chainPem, trustedRootsPem, purpose: 'authority' })).resolves.toMatchObject({
    isValid: true,
  });
  await saveAuthority(openAuthority({ chainPem, key: lineKey }), { folder: station, name: 'line-1', password });
  // 5. From then on the line issues, and nobody needs the root.
  const line = await loadAuthority({ folder: station, name: 'line-1', key: await keys.line() });
  expect(line.pathLength).toBe(0);
  const device = await issueDeviceCertificate(line, { registrationId: 'thermostat-1' });
  await expect(
    verifyChain({ chainPem: device.chainPem, trustedRootsPem, registrationId: 'thermostat-1' }),
  ).resolves.toMatchObject({ isValid: true });
  // What was carried around: certificates and a request.
  for (const name of await readdir(medium)) {
    await expect(readFile(join(medium, name), 'utf8')).resolves.not.toContain('PRIVATE KEY');
  }
}

describe('the ceremony of a root that is never online', () => {
  itSaysWhetherSoftHsmIsThere();

  it('with software keys, each encrypted on its own machine', () =>
    inTemporaryFolder(async (folder) => {
      const encrypted = async (keyAlgorithm: KeyAlgorithm): Promise<OpenKey> => {
        const pem = await encryptPrivateKey(await createSoftwareKey({ keyAlgorithm }), password);
        return () => openSoftwareKey(pem, password);
      };
      await holdCeremony(folder, { root: await encrypted('P-384'), line: await encrypted('P-256') });
      for (const path of [join('vault', 'root'), join('station', 'line-1')]) {
        const key = await readFile(join(folder, `${path}.key.pem`), 'utf8');
        expect(key).toContain('-----BEGIN ENCRYPTED PRIVATE KEY-----');
      }
    }));

  itWithSoftHsm('with root and line in the tokens of an HSM', () =>
    withToken((location) =>
      inTemporaryFolder(async (folder) => {
        const token = await openPkcs11Token(location);
        await token.generateKey({ label: 'root', keyAlgorithm: 'P-384' });
        await token.generateKey({ label: 'line-1' });
        const key = (label: string) => (): Promise<SigningKey> => token.openKey({ label });
        await holdCeremony(folder, { root: key('root'), line: key('line-1') });
        await token.close();
      }),
    ),
  );

  it('fail: a certificate that another root of the same name signed on the way', () =>
    inTemporaryFolder(async () => {
      const root = await createRootAuthority({ commonName: 'Contoso Root CA' });
      const impostor = await createRootAuthority({ commonName: 'Contoso Root CA' });
      const key = await createSoftwareKey();
      const csr = await createAuthorityRequest(key, { lineName });
      const { chainPem } = await signAuthorityRequest(impostor, csr, { lineName });
      const verification = await verifyChain({
        chainPem,
        trustedRootsPem: root.certificatePem,
        purpose: 'authority',
      });
      expect(verification.isValid).toBe(false);
    }));
});
