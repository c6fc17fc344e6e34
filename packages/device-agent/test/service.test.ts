import { readFile, stat, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { dpsName, startContoso, type Contoso } from './contoso.ts';
import { contosoDevice, deviceFolder, keyPassword, numberOf, said, startService } from './service-process.ts';

let contoso: Contoso;

beforeAll(async () => {
  contoso = await startContoso();
});

afterAll(() => contoso.close());

const thermostat = `
  export const methods = { getReport: () => ({ status: 200, payload: { temperature: 21.5 } }) };
  export const onMessage = (message) => undefined;
  export const onDesired = ({ properties }) => ({ target: { value: properties.target, code: 200 } });
  export async function start(agent, signal) {
    await agent.send({ body: { temperature: 21.5, note: 'planted-body' } });
  }
`;

describe('contoso-device run', () => {
  it('connects, runs its application, answers a method, says how it is, and stops on SIGTERM with code 0', async () => {
    const { configFile, configure, path } = await deviceFolder(contoso, 'served');
    await writeFile(path('thermostat.mjs'), thermostat);
    await configure({
      application: './thermostat.mjs',
      health: { file: 'run/health.json', port: 0 },
      log: { level: 'debug' },
    });
    const service = startService(configFile);
    const { port } = await service.record(said('health and metrics'));
    await service.record(said('telemetry acknowledged'));
    await service.record(said('messages, methods and desired properties are on their way'));
    const answer = await contoso.hub.invokeMethod('served', { methodName: 'getReport', payload: null });
    expect(await service.record(said('method answered'))).toMatchObject({ method: 'getReport', status: 200 });
    const get = async (page: string): Promise<Response> => fetch(`http://127.0.0.1:${Number(port)}/${page}`);
    expect([(await get('healthz')).status, (await get('readyz')).status, (await get('x')).status]).toEqual([
      200, 200, 404,
    ]);
    const metrics = await (await get('metrics')).text();
    expect({
      answer,
      acknowledged: numberOf(metrics, 'contoso_device_telemetry_acknowledged_total'),
      calls: numberOf(metrics, 'contoso_device_method_duration_seconds_count'),
      waiting: numberOf(metrics, 'contoso_device_outbox_messages'),
      connected: numberOf(metrics, 'contoso_device_connection_status{state="Connected"'),
    }).toMatchObject({ acknowledged: 1, calls: 1, waiting: 0, connected: 1 });
    const status = await contosoDevice(['status', '--config', configFile, '--json']);
    expect({ code: status.code, ...(JSON.parse(status.stdout) as object) }).toMatchObject({
      code: 0,
      result: { isRunning: true, status: 'Connected', registrationId: 'served', outbox: {} },
    });
    expect((await stat(path('run/health.json'))).mode & 0o777).toBe(0o644);
    expect(await service.end('SIGTERM')).toBe(0);
    expect(service.records.at(-1)).toMatchObject({ msg: 'stopped', undeliveredMessages: 0, level: 'info' });
    expect(JSON.parse(await readFile(path('run/health.json'), 'utf8'))).toMatchObject({ state: { status: 'Closed' } });
    expect((await contosoDevice(['status', '--config', configFile])).code).toBe(1);
    expect(contoso.hub.telemetry.list().filter(({ deviceId }) => deviceId === 'served')).toHaveLength(1);
    for (const secret of [keyPassword, 'planted-body', 'PRIVATE KEY']) expect(service.text()).not.toContain(secret);
  });

  it('takes telemetry without a connection, and says on SIGINT how much waits', async () => {
    const { configFile, configure, path } = await deviceFolder(contoso, 'offline');
    await writeFile(
      path('app.mjs'),
      `export const start = (agent) => Promise.all([agent.send({ body: 1 + [] }), agent.send({ body: '2' })]);`,
    );
    await configure({
      application: 'app.mjs',
      connectTo: { hostName: 'localhost:1', deviceId: 'offline' },
      stopSeconds: 1,
    });
    const service = startService(configFile);
    expect(await service.record(said('trying again later'))).toMatchObject({
      level: 'warn',
      why: 'it may heal by itself',
      cause: { code: 'ERR_AGENT_HUB_UNREACHABLE' },
    });
    const steps = service.records.filter(({ msg }) => / to (waiting|connecting)$/.test(String(msg)));
    expect(steps.slice(0, 3)).toMatchObject([
      { msg: 'stopped to waiting', cause: { message: 'start' } },
      { msg: 'waiting to connecting', cause: { message: 'the hub is known' } },
      { msg: 'connecting to waiting', cause: { code: 'ERR_AGENT_HUB_UNREACHABLE' } },
    ]);
    expect(await service.end('SIGINT')).toBe(0);
    expect(service.records.at(-1)).toMatchObject({ msg: 'stopped', undeliveredMessages: 2 });
  });

  it('ends with code 1 when its application fails, and with what it said', async () => {
    const { configFile, configure, path } = await deviceFolder(contoso, 'failing');
    for (const source of [
      `export const start = () => { throw new Error('no sensor'); };`,
      `export const start = () => void setImmediate(() => { throw new Error('no sensor'); });`,
    ]) {
      await writeFile(path('app.mjs'), source);
      await configure({ application: 'app.mjs', connectTo: { hostName: 'localhost:1', deviceId: 'failing' } });
      const service = startService(configFile);
      expect(await service.record(said('ended'))).toMatchObject({
        cause: {
          code: 'ERR_AGENT_APPLICATION',
          message: expect.stringContaining('no sensor') as unknown,
          advice: expect.stringMatching(/^(Mend|Have it caught)/) as unknown,
        },
      });
      expect(await service.end()).toBe(1);
    }
  });

  it.each([
    ['missing', undefined, /can't be loaded/],
    ['empty', 'export {};', /exports none of/],
    ['wrong', 'export const methods = 3;', /as number\. Make it object/],
  ])('fails with an application that is %s', async (kind, source, message) => {
    const { configFile, configure, path } = await deviceFolder(contoso, `app-${kind}`);
    if (source !== undefined) await writeFile(path('app.mjs'), source);
    await configure({ application: 'app.mjs' });
    const { code, stderr } = await contosoDevice(['run', '--config', configFile]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(message) as unknown });
    expect(stderr).toContain('ERR_AGENT_APPLICATION');
  });
});

describe('contoso-device provision', () => {
  it('shows the assignment', async () => {
    const { configFile } = await deviceFolder(contoso, 'once');
    const { stdout, code } = await contosoDevice(['provision', '--config', configFile, '--json']);
    expect({ code, ...(JSON.parse(stdout) as object) }).toMatchObject({
      code: 0,
      result: { deviceId: 'once', status: 'assigned' },
    });
  });

  it('leaves a device alone that runs', async () => {
    const { configFile } = await deviceFolder(contoso, 'twice');
    const service = startService(configFile);
    await service.record(said('Connected: ConnectionOk'));
    const { stdout, code } = await contosoDevice(['provision', '--config', configFile, '--json']);
    expect({ code, ...(JSON.parse(stdout) as object) }).toMatchObject({ code: 1, error: { code: 'ERR_AGENT_STATE' } });
    expect(contoso.azure.dps(dpsName).registerCalls('twice')).toBe(1);
    expect(await service.end('SIGTERM')).toBe(0);
  });

  it('has nobody to ask where a hub is configured', async () => {
    const { configFile, configure } = await deviceFolder(contoso, 'known-hub');
    await configure({ connectTo: { hostName: 'hub', deviceId: 'd' } });
    expect((await contosoDevice(['provision', '--config', configFile])).code).toBe(2);
  });
});
