import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startContoso, type Contoso } from './contoso.ts';
import { contosoDevice, deviceFolder, keyPassword, said, startService } from './service-process.ts';

let contoso: Contoso;

beforeAll(async () => {
  contoso = await startContoso();
});

afterAll(() => contoso.close());

const planted = {
  body: 'planted-body-71',
  property: 'planted-property-72',
  proxy: 'planted-proxy-73',
  desired: 'planted-desired-74',
};

const application = `
  import { readFileSync } from 'node:fs';
  export const onDesired = () => { throw new Error('bad key ' + readFileSync(new URL('./plain.key.pem', import.meta.url), 'utf8')); };
  export const onMessage = () => { throw new Error('proxy http://user:${planted.proxy}@proxy:3128 ' + process.env.KEY_PASSWORD); };
  export async function start(agent) {
    await agent.send({ body: '${planted.body}', properties: { note: '${planted.property}' } });
  }
`;

describe('secrets', () => {
  it('are in no line of the log, no answer of the doctor and no file of the bundle', async () => {
    const { configFile, configure, path } = await deviceFolder(contoso, 'secretive');
    await writeFile(path('app.mjs'), application);
    await writeFile(path('plain.key.pem'), '-----BEGIN PRIVATE KEY-----\nMIIplanted75\n-----END PRIVATE KEY-----\n');
    const identity = { chainFile: 'device.chain.pem', keyFile: 'device.key.pem', passwordVariable: 'KEY_PASSWORD' };
    await configure({
      identity,
      application: 'app.mjs',
      log: { level: 'debug', file: 'agent.log' },
      health: { file: 'health.json' },
    });
    const env = { KEY_PASSWORD: keyPassword };
    const service = startService(configFile, env);
    await service.record(said('telemetry acknowledged'));
    await service.record(said('messages, methods and desired properties are on their way'));
    const desired = { secret: planted.desired };
    contoso.hub.updateTwin(
      'secretive',
      { properties: { desired } },
      {
        mode: 'patch',
        precondition: undefined as never,
      },
    );
    await service.record(said("the application's onDesired failed"));
    expect(await service.end('SIGTERM')).toBe(0);

    const doctor = await contosoDevice(['doctor', '--config', configFile], env);
    expect(doctor).toMatchObject({ code: 0, stdout: expect.stringContaining('0 failed') as unknown });
    const out = path('bundle.tar.gz');
    const packed = await contosoDevice(['support-bundle', '--config', configFile, '--out', out, '--json'], env);
    expect(packed.code).toBe(0);
    expect((await stat(out)).mode & 0o777).toBe(0o600);
    await mkdir(path('unpacked'));
    execFileSync('tar', ['-xzf', out, '-C', path('unpacked')]);
    const names = await readdir(path('unpacked'), { recursive: true });
    expect(names).toEqual(
      expect.arrayContaining([
        'contents.txt',
        'doctor.txt',
        'config.json',
        'state.json',
        'versions.json',
        'log/0.ndjson',
      ]),
    );
    const files = names.filter((name) => name.includes('.'));
    const texts = await Promise.all(files.map((name) => readFile(path(`unpacked/${name}`), 'utf8')));
    const everything = [service.text(), doctor.stdout, packed.stdout, ...texts].join('\n');
    expect(everything).toContain('[hidden]');
    for (const secret of [
      ...Object.values(planted),
      keyPassword,
      JSON.stringify(keyPassword).slice(1, -1),
      'MIIplanted75',
      'BEGIN ENCRYPTED PRIVATE',
    ]) {
      expect({ secret, isIn: everything.includes(secret) }).toEqual({ secret, isIn: false });
    }
    expect(JSON.parse(await readFile(path('unpacked/state.json'), 'utf8'))).toMatchObject({
      outbox: { messages: 0 },
      assignment: { deviceId: 'secretive' },
    });
  });

  it('a doctor that finds a failure ends with code 1 and its fix', async () => {
    const { configFile, configure } = await deviceFolder(contoso, 'ailing');
    await configure({ connectTo: { idScope: contoso.idScope, endpoint: 'localhost:1' } });
    const { code, stdout } = await contosoDevice(['doctor', '--config', configFile]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringMatching(/FAILED[^]*-> /) as unknown });
  });
});
