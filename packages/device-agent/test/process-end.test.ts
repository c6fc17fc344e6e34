import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { dpsName, issueIdentity, startContoso, watchedAgent, type Contoso } from './contoso.ts';
import type { DeviceIdentity } from '../src/index.ts';

let contoso: Contoso;

beforeAll(async () => {
  contoso = await startContoso();
});

afterAll(() => contoso.close());

interface Child {
  readonly process: ChildProcessByStdio<null, Readable, null>;
  readonly lines: string[];
  readonly output: Interface;
}

const spawnDevice = (identity: DeviceIdentity): Child => {
  const { chainPem, privateKeyPem } = identity;
  const { provisioningDeviceEndpoint: endpoint, trustedRootsPem } = contoso.azure.cloud;
  const options = {
    chainPem,
    privateKeyPem,
    trustedRootsPem,
    connectTo: { idScope: contoso.idScope, endpoint },
    stateFolder: contoso.folder,
  };
  const { NODE_OPTIONS: _, ...environment } = process.env;
  const child = spawn(process.execPath, [fileURLToPath(new URL('./sending-child.mjs', import.meta.url))], {
    env: { ...environment, AGENT_OPTIONS: JSON.stringify(options) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const output = createInterface({ input: child.stdout });
  const lines: string[] = [];
  output.on('line', (line) => lines.push(line));
  return { process: child, lines, output };
};

const untilLines = async ({ lines, output }: Child, count: number): Promise<void> => {
  while (lines.length < count) await once(output, 'line');
};

/** Of the promised ones, those that the hub has, in the order in which each came first. */
const arrivedOf = (deviceId: string, promised: readonly string[]): unknown[] => {
  const wanted = new Set<unknown>(promised);
  const ids = contoso.hub.telemetry
    .list()
    .filter((message) => message.deviceId === deviceId)
    .map(({ systemProperties }) => systemProperties['message-id']);
  return [...new Set(ids)].filter((id) => wanted.has(id));
};

describe('a process that ends', () => {
  it('by kill -9 loses nothing that send() had promised, and changes no order', async () => {
    const identity = await issueIdentity(contoso, 'killed');
    const promised: string[] = [];
    for (const count of [20, 100, 35]) {
      const child = spawnDevice(identity);
      await untilLines(child, count);
      child.process.kill('SIGKILL');
      await once(child.output, 'close');
      promised.push(...child.lines.slice(1));
    }
    const { agent } = watchedAgent(contoso, identity);
    await agent.start();
    await agent.flush();
    await agent.stop();
    expect(promised.length).toBeGreaterThan(150);
    expect(arrivedOf('killed', promised)).toEqual(promised);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'by %s delivers what it can, says what is left, and exits 0',
    async (signal) => {
      const deviceId = `stopped-by-${signal.toLowerCase()}`;
      const identity = await issueIdentity(contoso, deviceId);
      const child = spawnDevice(identity);
      await untilLines(child, 30);
      child.process.kill(signal);
      const [[code]] = (await Promise.all([once(child.process, 'exit'), once(child.output, 'close')])) as [
        [number | null],
        unknown,
      ];
      const last = child.lines.find((line) => line.startsWith('stopped'));
      const left = Number(/^stopped (\d+)$/.exec(last ?? '')?.[1]);
      const promised = child.lines.filter((line) => !/^st(art|opp)ed/.test(line));
      const arrived = arrivedOf(deviceId, promised);
      expect({ code, arrived }).toEqual({ code: 0, arrived: promised.slice(0, arrived.length) });
      expect(promised.length - arrived.length).toBeLessThanOrEqual(left);
      expect(contoso.hub.isConnected(deviceId)).toBe(false);
    },
  );

  const order = {
    'direct method': (deviceId: string) =>
      contoso.hub.invokeMethod(deviceId, {
        ...{ methodName: 'reprovision', payload: {}, responseTimeoutSeconds: 10, connectTimeoutSeconds: 5 },
      }),
    'desired property': async (deviceId: string) => {
      contoso.hub.updateTwin(
        deviceId,
        { properties: { desired: { reprovision: { id: 1 } } } },
        {
          mode: 'patch',
          precondition: undefined as never,
        },
      );
      const answer = () =>
        (contoso.hub.twinOf(deviceId) as unknown as { properties: { reported: { reprovision?: { ac: number } } } })
          .properties.reported.reprovision;
      while (!answer()) await new Promise((resolve) => setImmediate(resolve));
      return { status: answer()?.ac };
    },
  };

  it.each(['direct method', 'desired property'] as const)(
    'by kill -9 right after an order to ask DPS by %s was answered: the next one follows it',
    async (way) => {
      const deviceId = `ordered-by-${way.replace(' ', '-')}`;
      const identity = await issueIdentity(contoso, deviceId);
      const child = spawnDevice(identity);
      await untilLines(child, 3);
      const endFault = contoso.azure.faults.add({ kind: 'drop', dps: dpsName, deviceId });
      await expect(order[way](deviceId)).resolves.toMatchObject({ status: 202 });
      child.process.kill('SIGKILL');
      await once(child.output, 'close');
      endFault();
      const asked = contoso.azure.dps(dpsName).registerCalls(deviceId);
      const reason = `${way} reprovision`;
      const { agent, next } = watchedAgent(contoso, identity);
      await agent.start();
      await expect(next('provisioning')).resolves.toMatchObject({ reason });
      await agent.stop();
      expect(contoso.azure.dps(dpsName).registerCalls(deviceId)).toBe(asked + 1);

      const after = watchedAgent(contoso, identity);
      await after.agent.start();
      await after.next('subscribed');
      await after.agent.stop();
      expect(contoso.azure.dps(dpsName).registerCalls(deviceId)).toBe(asked + 1);
    },
  );
});
