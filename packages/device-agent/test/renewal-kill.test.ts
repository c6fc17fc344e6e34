import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { issueDeviceCertificate, type DeviceCredential } from '@contoso/pki';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CertificateRenewal, loadIdentity, provision } from '../src/index.ts';
import { openStateStore } from '../src/state/state-store.ts';
import { type Contoso } from './contoso.ts';
import { startContosoWithEst, type ContosoWithEst } from './est-server.ts';

let contoso: ContosoWithEst;

beforeAll(async () => {
  contoso = await startContosoWithEst();
});

afterAll(() => contoso.close());

const serviceOf = ({ azure, idScope }: Contoso): { idScope: string; endpoint: string } => ({
  idScope,
  endpoint: azure.cloud.provisioningDeviceEndpoint,
});

/** Runs the device until it is done, or killed at that point; says which points it passed. */
async function run(device: DeviceCredential, folder: string, killAt: number): Promise<string[]> {
  const { NODE_OPTIONS: _, ...environment } = process.env;
  const task = {
    killAt,
    folder,
    onboarding: { chainPem: device.chainPem, privateKeyPem: device.privateKeyPem },
    est: { url: contoso.est.url, trustedRootsPem: contoso.est.trustedRootsPem },
    provisioning: serviceOf(contoso),
    trustedRootsPem: contoso.azure.cloud.trustedRootsPem,
    announces: true,
  };
  const child = spawn(process.execPath, [fileURLToPath(new URL('renewal-child.mjs', import.meta.url))], {
    env: { ...environment, RENEWAL_TASK: JSON.stringify(task) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
  return output.trim().split('\n');
}

/** The credential that the device would start with now, and whether Azure takes it. */
async function startedWith(device: DeviceCredential, folder: string): Promise<{ thumbprint: string; hub: string }> {
  const store = openStateStore(folder, device.registrationId);
  const renewal = await CertificateRenewal.open({
    store,
    onboarding: await loadIdentity(device),
    source: () => Promise.reject(new Error('not asked')),
    proof: { prove: () => Promise.resolve() },
  });
  const identity = renewal.current();
  store.close();
  const { trustedRootsPem } = contoso.azure.cloud;
  const { assignedHub } = await provision({ identity, provisioning: serviceOf(contoso), trustedRootsPem });
  return { thumbprint: identity.thumbprintSha256, hub: assignedHub };
}

describe('power fails during a renewal', () => {
  it('at any point: the device has a working credential, goes on, and asks for no second certificate', async () => {
    const whole = await issueDeviceCertificate(contoso.line, { registrationId: 'never-killed' });
    const points = await run(whole, await mkdtemp(join(contoso.folder, 'whole-')), -1);
    expect(points.slice(0, -1)).toEqual([
      ...['before put', 'after put', 'before renew', 'after renew', 'before put', 'after put'],
      ...['before announce', 'after announce', 'before put', 'after put', 'before prove', 'after prove'],
      ...['before put', 'after put'],
    ]);
    const results = [];
    for (let killAt = 0; killAt < points.length - 1; killAt += 1) {
      const registrationId = `killed-at-${killAt}`;
      const device = await issueDeviceCertificate(contoso.line, { registrationId, validityDays: 30 });
      const folder = await mkdtemp(join(contoso.folder, 'killed-'));
      const issuedBefore = contoso.est.issuedFor.length;
      const first = await run(device, folder, killAt);
      const between = await startedWith(device, folder);
      const second = await run(device, folder, -1);
      const after = await startedWith(device, folder);
      const keys = contoso.est.issuedFor.slice(issuedBefore);
      results.push({
        killAt,
        died: first.length === killAt + 1 && first.at(-1) === points[killAt],
        worked: between.hub === after.hub,
        usedNew: between.thumbprint !== device.thumbprintSha256,
        renewed: second.at(-1) === `done ${after.thumbprint}`,
        // Killed after the server had issued, and before that was on disk, the same request goes out again: same key.
        certificates: keys.length,
        keys: new Set(keys).size,
      });
    }
    const answerCameLast = points.indexOf('after renew');
    const onDisk = answerCameLast + 2;
    const promoted = points.length - 2;
    expect(results).toEqual(
      results.map(({ killAt }) => ({
        killAt,
        died: true,
        worked: true,
        usedNew: killAt >= promoted,
        renewed: true,
        certificates: killAt >= answerCameLast && killAt < onDisk ? 2 : 1,
        keys: 1,
      })),
    );
  }, 120_000);

  it('and what lies on disk is for the device alone', async () => {
    const device = await issueDeviceCertificate(contoso.line, { registrationId: 'private' });
    const folder = await mkdtemp(join(contoso.folder, 'private-'));
    await run(device, folder, -1);
    const files = (await readdir(folder)).filter((name) => name.endsWith('.db'));
    const modes = await Promise.all(files.map(async (name) => (await stat(join(folder, name))).mode & 0o777));
    expect(modes).toEqual([0o600]);
  });
});
