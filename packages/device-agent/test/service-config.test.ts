import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { rootSettings } from '../src/network/trusted-roots.ts';
import { readConfig } from '../src/service/config.ts';
import { redactSecrets } from '../src/service/redaction.ts';
import { contosoDevice } from './service-process.ts';

let folder: string;
let file: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'config-test-'));
  file = join(folder, 'config.json');
});

afterAll(() => rm(folder, { recursive: true }));

const good = { identity: { pfxFile: 'device.pfx' }, connectTo: { idScope: '0ne00000012' }, stateFolder: 'state' };

const est = { url: 'https://est.contoso.com', trustedRootsFile: 'est.pem' };

const problemOf = async (text: string): Promise<string> => {
  await writeFile(file, text);
  return readConfig(file).then(
    () => 'none',
    (error: unknown) => (error as Error).message,
  );
};

describe('the configuration of contoso-device', () => {
  it('has paths that are relative to its own folder', async () => {
    await writeFile(file, JSON.stringify(good));
    expect(await readConfig(file)).toMatchObject({
      identity: { pfxFile: join(folder, 'device.pfx') },
      stateFolder: join(folder, 'state'),
      health: { everySeconds: 10, host: '127.0.0.1' },
    });
  });

  it.each([
    [{ stateFolder: 3 }, 'stateFolder: expected a string, found 3'],
    [{ stateFolder: undefined }, 'stateFolder: expected a string, found nothing'],
    [{ conectTo: 1 }, 'conectTo: unknown key; did you mean "connectTo"?'],
    [{ log: { level: 'loud' } }, 'log.level: expected "debug" or "info" or "warn" or "error", found "loud"'],
    [{ log: { zzz: 1 } }, 'log.zzz: unknown key; known here: level, file, maxBytes, files'],
    [{ health: { port: 70_000 } }, 'health.port: expected 65535 or less, found 70000'],
    [
      { identity: { pfxFile: 'a', password: 'hunter2' } },
      'identity.password: unknown key; did you mean "passwordFile"?',
    ],
    [{ identity: { chainFile: 'a' } }, 'identity.keyFile: expected a string, found nothing'],
    [{ proxy: { url: 'http://u:hunter2@p:1' } }, 'proxy.url: expected a URL without user and password'],
    [
      { identity: { chainFile: 'a', pkcs11: { uri: 'pkcs11:token=D?pin-value=hunter2' } } },
      'identity.pkcs11.uri: expected a URI without the PIN',
    ],
    [{ identity: { chainFile: 'a', pkcs11: { uri: '/dev/tpm0' } } }, 'identity.pkcs11.uri: expected a URI that begins'],
    [
      { identity: { chainFile: 'a', pkcs11: { uri: 'pkcs11:token=D', pin: 'hunter2' } } },
      'identity.pkcs11.pin: unknown key; did you mean "pinFile"?',
    ],
    [{ renewal: { est } }, 'none'],
    [{ renewal: { est: { ...est, url: 'est.contoso.com' } } }, 'renewal.est.url: expected https://host'],
    [
      { renewal: { est: { ...est, url: 'https://e/.well-known/est' } } },
      'renewal.est.url: expected https://host[:port]',
    ],
    [{ renewal: { est: { url: est.url } } }, 'renewal.est.trustedRootsFile: expected a string, found nothing'],
    [{ renewal: { est, renewAtFraction: 80 } }, 'renewal.renewAtFraction: expected 0.95 or less, found 80'],
    [
      { renewal: { est }, identity: { chainFile: 'a', pkcs11: { uri: 'pkcs11:token=D' } } },
      'renewal: expected none beside identity.pkcs11',
    ],
    [{ outbox: { batch: { maxMessage: 5 } } }, 'outbox.batch.maxMessage: unknown key; did you mean "maxMessages"?'],
    [{ fleet: {} }, 'fleet.size: expected a number, found nothing'],
    [{ keepAliveSeconds: 1_800 }, 'keepAliveSeconds: expected 1767 or less, found 1800'],
    [{ reprovision: { method: true } }, 'reprovision.method: expected a name or false, found true'],
    [{ reprovision: { method: false, desiredProperty: 'move' } }, 'none'],
    [{ connectTo: { idScope: 'contoso-dps' } }, 'connectTo.idScope: expected an ID scope: 0ne and 8 hex digits, found'],
    [
      { connectTo: { idScope: '0ne00000012', hostName: 'hub' } },
      'connectTo.hostName: belongs to another form of connectTo than the keys beside it',
    ],
    [
      { connectTo: { idScope: '0ne00000012', endpoint: 'https://dps' } },
      'connectTo.endpoint: expected a host name, with :port where it needs one, and no https://, found "https://dps"',
    ],
    [{ provisioningPayload: { model: 'T1', floors: [1, 2] } }, 'none'],
    [{ provisioningPayload: ['T1'] }, 'provisioningPayload: expected an object, found a list'],
    [
      { provisioningPayload: {}, connectTo: { hostName: 'hub', deviceId: 'd' } },
      'provisioningPayload: expected none beside connectTo.hostName',
    ],
    [{ onRefusal: 'stop' }, 'onRefusal: expected "retry-slowly" or "end", found "stop"'],
    [{ connectTo: [] }, 'connectTo: expected an object, found a list'],
  ])('%j is refused: %s', async (change, problem) => {
    const message = await problemOf(JSON.stringify({ ...good, ...change }));
    expect(message).toContain(problem);
    expect(message).not.toContain('hunter2');
  });

  it.each([
    ...Object.values(rootSettings).map((setting) => setting.split(' ').at(-1) ?? ''),
    'proxy.user',
    'proxy.passwordFile',
  ])('has the key %s, which advice names', async (key) => {
    const wrong = key.split('.').reduceRight<unknown>((value, name) => ({ [name]: value }), 3);
    expect(await problemOf(JSON.stringify({ ...good, ...(wrong as object) }))).toContain(
      `${key}: expected a string, found 3`,
    );
  });

  it('tells nothing of a file that is none', async () => {
    const message = await problemOf('hunter2');
    expect(message).toContain("isn't JSON");
    expect(message).not.toContain('hunter2');
  });

  it.each([
    [2, 'CONFIG', 'passwordFile and identity.passwordVariable are both', { passwordFile: 'p', passwordVariable: 'P' }],
    // These may be there at the next start: systemd restarts after code 1, and not after 2.
    [1, 'SECRET', "Can't read identity.passwordFile", { passwordFile: 'missing' }],
    [1, 'SECRET', 'identity.passwordFile /dev/null is empty', { passwordFile: '/dev/null' }],
    [1, 'SECRET', 'identity.passwordVariable NOT_THERE is not set', { passwordVariable: 'NOT_THERE' }],
  ])('ends a command with code %i, ERR_AGENT_%s: %s', async (exitCode, about, problem, secret) => {
    await writeFile(file, JSON.stringify({ ...good, identity: { pfxFile: 'device.pfx', ...secret } }));
    const { code, stdout } = await contosoDevice(['run', '--config', file, '--json']);
    expect({ code, ...(JSON.parse(stdout) as object) }).toMatchObject({
      code: exitCode,
      error: { code: `ERR_AGENT_${about}`, message: expect.stringContaining(problem) as unknown },
    });
  });

  it('is needed by each command, whose help has an example', async () => {
    for (const name of ['run', 'status', 'doctor', 'support-bundle', 'provision', 'systemd-unit']) {
      expect((await contosoDevice([name])).code).toBe(2);
      expect((await contosoDevice([name, '--help'])).stdout).toContain(`$ contoso-device ${name}`);
    }
  });
});

describe('what is kept out of every text', () => {
  it.each([
    ['-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----', 'MIIE'],
    ['{"k":"-----BEGIN EC PRIVATE KEY-----\\nMIIE cut off', 'MIIE'],
    ['SharedAccessSignature sr=hub&sig=abcd%3D&se=1', 'abcd'],
    ['HostName=h;SharedAccessKey=abcd=', 'abcd'],
    ['proxy http://user:abcd@host:3128 answered', 'abcd'],
    ['Proxy-Authorization: Basic abcd', 'abcd'],
    ['pkcs11:token=D?pin-value=abcd&x', 'abcd'],
    ['pass "q\\"uoted" and cSJ1b3RlZA==', 'uoted'],
  ])('%j', (text, secret) => {
    const clean = redactSecrets(['q"uoted'])(text);
    expect(clean).not.toContain(secret);
    expect(clean).toContain('[hidden]');
  });
});
