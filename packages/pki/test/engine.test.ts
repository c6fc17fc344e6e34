import { expect, it } from '@jest/globals';
import {
  decodePfx,
  encodePfx,
  encryptPrivateKey,
  decryptPrivateKey,
  signDeviceRequest,
  verifyChain,
} from '../src/index.ts';
import { createFactory, makeRequest, password } from './fixtures.ts';
import { getEngine, setEngine } from 'pkijs';

it('works with no process-wide engine in either library, and sets none', async () => {
  // Jest would load it before ours, which brings what it wants to find.
  const { cryptoProvider } = await import('@peculiar/x509');
  cryptoProvider.clear();
  setEngine('none');
  const { root, line, device } = await createFactory();
  await signDeviceRequest(line, (await makeRequest('CN=d2')).pem, { allow: 'any' });
  await expect(verifyChain({ chainPem: device.chainPem, trustedRootsPem: root.certificatePem })).resolves.toMatchObject(
    {
      isValid: true,
    },
  );
  await decodePfx(await encodePfx({ ...device, password }), password);
  await decryptPrivateKey(await encryptPrivateKey(root.key, password), password);
  expect(cryptoProvider.size).toBe(0);
  expect(getEngine()).toMatchObject({ name: 'none', crypto: null });
});
