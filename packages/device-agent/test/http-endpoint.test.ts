import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openEndpoint } from '../src/service/http-endpoint.ts';
import { startContoso, type Contoso } from './contoso.ts';
import { deviceFolder, said, startService } from './service-process.ts';

const answers = {
  isAlive: () => true,
  isReady: () => true,
  health: () => ({}),
  metrics: async () => ({ contentType: 'text/plain', text: '' }),
};

let contoso: Contoso;
let occupant: Server;
let port: number;

beforeAll(async () => {
  contoso = await startContoso();
  occupant = createServer().listen(0, '127.0.0.1');
  await once(occupant, 'listening');
  ({ port } = occupant.address() as AddressInfo);
});

afterAll(async () => {
  occupant.close();
  await contoso.close();
});

describe('a health port that somebody else has', () => {
  it('does not keep the device from its work, and is told', async () => {
    const { configFile, configure } = await deviceFolder(contoso, 'no-port');
    await configure({ health: { port } });
    const service = startService(configFile);
    expect(await service.record(({ level }) => level === 'warn')).toMatchObject({
      msg: expect.stringMatching(new RegExp(`health.port ${port} on 127.0.0.1 .*EADDRINUSE`)) as unknown,
    });
    await service.record(said('Connected: ConnectionOk'));
    expect(await service.end('SIGTERM')).toBe(0);
  });

  it('is taken when it is free, and told once till then', async () => {
    const problems: string[] = [];
    let isFree = false;
    let opened = (_: number): void => undefined;
    const taken = new Promise<number>((resolve) => {
      opened = resolve;
    });
    const endpoint = await openEndpoint({
      ...{ host: '127.0.0.1', port, answers, retryMs: 1, onOpen: opened },
      onProblem: (text) => {
        problems.push(text);
        occupant.close(() => (isFree = true));
      },
    });
    expect(await taken).toBe(port);
    expect([isFree, problems.length]).toEqual([true, 1]);
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
    endpoint.close();
  });
});
