import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { issueDeviceCertificate, type DeviceCredential } from '@contoso/pki';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadIdentity, type DeviceAgentError, type DeviceIdentity, type IdentitySource } from '../src/index.ts';
import { startContoso, type Contoso } from './contoso.ts';
import { startEstServer } from './est-server.ts';
import { createToken, itSaysWhetherTokensWork, itWithToken, tokenProblem, type TestToken } from './softhsm.ts';

let contoso: Contoso;
let token: TestToken;
const devices = new Map<string, DeviceCredential>();

beforeAll(async () => {
  if (tokenProblem !== undefined) return;
  [contoso, token] = await Promise.all([startContoso(), createToken()]);
  for (const keyAlgorithm of ['P-256', 'P-384', 'RSA-2048'] as const) {
    const name = keyAlgorithm.toLowerCase();
    const device = await issueDeviceCertificate(contoso.line, { registrationId: `token-${name}`, keyAlgorithm });
    devices.set(name, device);
    await token.importKey(name, device.privateKeyPem);
  }
  devices.set('stranger', await issueDeviceCertificate(contoso.line, { registrationId: 'stranger' }));
  await writeFile(join(token.folder, 'pin'), `${token.pin}\n`);
  await writeFile(join(token.folder, 'wrong-pin'), '0000');
});

afterAll(async () => {
  if (tokenProblem !== undefined) return;
  await contoso.close();
  await token.remove();
});

interface Answer {
  readonly identity?: DeviceIdentity;
  readonly error?: Pick<DeviceAgentError, 'code' | 'message' | 'certificate'>;
  readonly stored?: unknown;
  /** All that the process wrote, to see that no PIN is in it. */
  readonly written: string;
}

/** What the agent does with a key in the token, in a process of its own. */
async function run(
  identity: unknown,
  more: { readonly agent?: object; readonly renewal?: object } = {},
): Promise<Answer> {
  const { NODE_OPTIONS: _, ...environment } = process.env;
  const child = spawn(process.execPath, [fileURLToPath(new URL('token-child.mjs', import.meta.url))], {
    env: { ...environment, ...token.env, TOKEN_PIN: token.pin, TOKEN_TASK: JSON.stringify({ identity, ...more }) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [output, complaints] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { ...(JSON.parse(output) as object), written: output + complaints };
}

const serviceOf = ({ azure, idScope }: Contoso): object => ({
  idScope,
  endpoint: azure.cloud.provisioningDeviceEndpoint,
});
const keyOf = (label: string, more: object = {}): object => ({
  uri: token.uri(label),
  modulePath: token.modulePath,
  pin: { file: join(token.folder, 'pin') },
  ...more,
});
const chainOf = (name: string): string => devices.get(name)?.chainPem ?? '';

describe('a key in a PKCS#11 token', () => {
  itSaysWhetherTokensWork();

  itWithToken.each(['p-256', 'p-384', 'rsa-2048'])('ok: %s takes the device to DPS and hub', async (name) => {
    const registrationId = `token-${name}`;
    const { trustedRootsPem } = contoso.azure.cloud;
    const answer = await run(
      { chainPem: chainOf(name), pkcs11: keyOf(name) },
      { agent: { connectTo: serviceOf(contoso), trustedRootsPem, stateFolder: contoso.folder } },
    );
    expect(answer.error).toBeUndefined();
    const arrived = contoso.hub.telemetry.list().filter(({ deviceId }) => deviceId === registrationId);
    expect(arrived).toHaveLength(1);
    expect(answer.written).not.toContain(token.pin);
    expect(answer.identity).toMatchObject({
      registrationId,
      chainSubjects: [`CN=${registrationId}`, 'CN=line-1', 'CN=Contoso Root CA'],
    });
    expect(answer.identity).not.toHaveProperty('privateKeyPem');
  });

  itWithToken('ok: has its certificate renewed, with a new key that never was outside of the token', async () => {
    const { trustedRootsPem } = contoso.azure.cloud;
    const est = await startEstServer({ line: contoso.line });
    await writeFile(join(token.folder, 'bare-pin'), token.pin);
    const { error, identity, stored, written } = await run(
      { chainPem: chainOf('p-256'), pkcs11: keyOf('p-256', { pin: { file: join(token.folder, 'bare-pin') } }) },
      {
        renewal: {
          est: { url: est.url, trustedRootsPem: est.trustedRootsPem },
          provisioning: serviceOf(contoso),
          trustedRootsPem,
        },
      },
    );
    await est.close();
    expect(error).toBeUndefined();
    expect(est.requests.map(({ client }) => client)).toEqual(['token-p-256', 'token-p-256']);
    expect(identity?.pkcs11?.uri).toMatch(/object=token-p-256-next/);
    expect(identity?.thumbprintSha256).not.toBe(devices.get('p-256')?.thumbprintSha256);
    expect(JSON.stringify(stored)).not.toMatch(/PRIVATE KEY/);
    expect(written).not.toContain(token.pin);
  });

  itWithToken('ok: PIN from a variable, chain from a file, module by p11-kit', async () => {
    const chainFile = join(token.folder, 'chain.pem');
    await writeFile(chainFile, chainOf('p-256'));
    const pkcs11 = { uri: token.uri('p-256'), pin: { variable: 'TOKEN_PIN' } };
    const { identity, written } = await run({ chainFile, pkcs11 });
    expect(identity?.registrationId).toBe('token-p-256');
    expect(written).not.toContain(token.pin);
  });

  itWithToken.each<[string, string, RegExp, () => object]>([
    [
      'a wrong PIN',
      'ERR_AGENT_PASSWORD',
      /refuses the PIN from .*wrong-pin.*tokens lock/,
      () => ({ pkcs11: keyOf('p-256', { pin: { file: join(token.folder, 'wrong-pin') } }) }),
    ],
    [
      'a variable that is not set',
      'ERR_AGENT_PASSWORD',
      /No PIN in the variable NO_SUCH_PIN/,
      () => ({ pkcs11: keyOf('p-256', { pin: { variable: 'NO_SUCH_PIN' } }) }),
    ],
    [
      'a PIN file that is not there',
      'ERR_AGENT_IDENTITY_FILE',
      /Can't read the PIN from .*no-pin/,
      () => ({ pkcs11: keyOf('p-256', { pin: { file: join(token.folder, 'no-pin') } }) }),
    ],
    [
      'no such key',
      'ERR_AGENT_TOKEN',
      /Can't use the key .*object=nobody.*p11tool/,
      () => ({ pkcs11: keyOf('nobody') }),
    ],
    [
      'a PIN in the URI',
      'ERR_AGENT_TOKEN',
      /holds a PIN, or where to find it/,
      () => ({ pkcs11: keyOf('p-256', { uri: `${token.uri('p-256')}?pin-value=${token.pin}` }) }),
    ],
    [
      'no such module',
      'ERR_AGENT_TOKEN',
      /No PKCS#11 module at \/nowhere\.so/,
      () => ({ pkcs11: keyOf('p-256', { modulePath: '/nowhere.so' }) }),
    ],
    [
      'no engine',
      'ERR_AGENT_TOKEN',
      /No engine for PKCS#11 at \/nowhere\/pkcs11\.so.*libengine-pkcs11-openssl/,
      () => ({ pkcs11: keyOf('p-256', { enginePath: '/nowhere/pkcs11.so' }) }),
    ],
    [
      "another key's certificate, of the same kind",
      'ERR_AGENT_IDENTITY_INVALID',
      /certificate of stranger is not one that the key .*object=p-256/,
      () => ({ chainPem: chainOf('stranger'), pkcs11: keyOf('p-256') }),
    ],
    [
      "another key's certificate, of another kind",
      'ERR_AGENT_IDENTITY_INVALID',
      /certificate of token-rsa-2048 is not one/,
      () => ({ chainPem: chainOf('rsa-2048'), pkcs11: keyOf('p-256') }),
    ],
  ])('fail: %s', async (_, code, message, source) => {
    const { error, written } = await run({ chainPem: chainOf('p-256'), ...source() });
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(written).not.toContain(token.pin);
  });

  it('fail: two device certificates to choose from, or none', async () => {
    const twice = { chainPem: '', pkcs11: { uri: 'pkcs11:object=x' } } satisfies IdentitySource;
    await expect(loadIdentity(twice)).rejects.toMatchObject({
      code: 'ERR_AGENT_IDENTITY_INVALID',
      message: expect.stringMatching(/0 device certificates; expected exactly one/),
    });
  });
});
