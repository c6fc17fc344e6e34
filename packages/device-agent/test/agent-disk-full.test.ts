import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hubName, issueIdentity, startContoso, watchedAgent, type Contoso } from './contoso.ts';
import { mayMountSmallDisk, SmallDisk } from './small-disk.ts';

// A whole agent whose state lies on a disk that others have filled to the last byte.

const small = new SmallDisk(3);
const itOnDisk = mayMountSmallDisk ? it : it.skip;
let contoso: Contoso;

beforeAll(async () => {
  contoso = await startContoso();
});

afterAll(async () => {
  await contoso.close();
  small.close();
});

const arrived = (deviceId: string): unknown[] =>
  contoso.hub.telemetry
    .list()
    .filter((message) => message.deviceId === deviceId)
    .map(({ systemProperties }) => systemProperties['message-id']);

describe(`an agent on a full disk${mayMountSmallDisk ? '' : ' (skipped: this user may not mount a small one)'}`, () => {
  itOnDisk(
    'delivers what it has taken, once and in order, over restarts; and takes more when there is space',
    async () => {
      const identity = await issueIdentity(contoso, 'full-disk');
      const applied: string[] = [];
      const create = () =>
        watchedAgent(contoso, identity, {
          stateFolder: join(small.folder, 'state'),
          retryPolicy: { nextDelayMs: ({ attempt }) => attempt },
          onMessage: ({ body }) => void applied.push(body.toString()),
        });
      const first = create();
      await first.agent.start();
      await first.next('subscribed');
      const endOutage = contoso.azure.faults.add({ kind: 'hubDown', hub: hubName });
      await first.next('retry');
      const kept: string[] = [];
      const send = async (): Promise<void> => {
        kept.push(await first.agent.send({ body: 'x'.repeat(10_000) }));
      };
      const isRefused = {
        code: 'ERR_AGENT_STATE',
        message: expect.stringMatching(/the disk is full .*Free space/),
      };
      await expect(
        (async () => {
          for (;;) await send();
        })(),
      ).rejects.toMatchObject(isRefused);
      small.fill();
      await expect(send()).rejects.toMatchObject(isRefused);
      expect(kept.length).toBeGreaterThan(50);
      await first.agent.stop(0);
      small.fill();

      const second = create();
      const started = second.agent.start();
      endOutage();
      await started;
      await second.agent.flush();
      expect(arrived('full-disk')).toEqual(kept);
      small.fill();
      contoso.hub.sendToDevice('full-disk', { body: Buffer.from('on a full disk') });
      await second.next('message-completed');
      await second.agent.stop(0);
      small.fill();

      const third = create();
      await third.agent.start();
      await third.agent.flush();
      await third.next('subscribed');
      expect(arrived('full-disk')).toEqual(kept);
      expect(applied).toEqual(['on a full disk']);
      small.free();
      kept.push(await third.agent.send({ body: 'x'.repeat(250_000) }));
      await third.agent.flush();
      expect(arrived('full-disk')).toEqual(kept);
      await third.agent.stop();
    },
  );
});
