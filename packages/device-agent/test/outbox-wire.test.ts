import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { issueIdentity, startContoso, watchedAgent, type Contoso } from './contoso.ts';

let contoso: Contoso;

beforeAll(async () => {
  contoso = await startContoso();
});

afterAll(() => contoso.close());

const arrived = (deviceId: string) =>
  contoso.hub.telemetry
    .list()
    .filter((message) => message.deviceId === deviceId)
    .map(({ systemProperties, applicationProperties, body }) => ({
      id: systemProperties['message-id'],
      encoding: systemProperties['content-encoding'],
      applicationProperties,
      body: Buffer.from(body),
    }));

describe('an outbox at a hub', () => {
  it('delivers batches, whole and compressed, and what goes by itself in between', async () => {
    const outbox = { batch: { maxMessages: 40, delayMs: 60_000 }, compressAboveBytes: 1000 };
    const { agent, events } = watchedAgent(contoso, await issueIdentity(contoso, 'batching'), { outbox });
    await agent.start();
    const measured = new Date('2026-01-02T03:04:05.678Z');
    await Promise.all(
      Array.from({ length: 50 }, (_, number) =>
        agent.send({ body: { number }, messageId: `item-${number}`, createdAt: measured }),
      ),
    );
    await agent.send({ body: Buffer.from('raw'), contentType: 'text/plain', messageId: 'raw' });
    await agent.flush();
    const [large, small, raw] = arrived('batching');
    const items = JSON.parse(gunzipSync(large?.body ?? '').toString()) as unknown[];
    expect(large).toMatchObject({
      encoding: 'gzip',
      applicationProperties: { 'batch-count': '40', 'iothub-creation-time-utc': measured.toISOString() },
    });
    expect(items[39]).toEqual({ id: 'item-39', time: measured.toISOString(), body: { number: 39 } });
    expect(JSON.parse(small?.body.toString() ?? '')).toHaveLength(10);
    expect([raw?.id, raw?.body.toString()]).toEqual(['raw', 'raw']);
    expect(events.filter(({ type }) => type === 'telemetry-acknowledged')).toHaveLength(51);
    await agent.stop();
  });

  it('delivers what is as large as the hub allows', async () => {
    const { agent } = watchedAgent(contoso, await issueIdentity(contoso, 'large'));
    await agent.start();
    // ID 1, content type 16, encoding 5, creation time with its name 48, property 1 + 1.
    const body = 'x'.repeat(256 * 1024 - 1 - 16 - 5 - 48 - 2);
    await agent.send({ body, messageId: 'a', properties: { b: 'c' } });
    await expect(agent.send({ body: `${body}x`, messageId: 'a', properties: { b: 'c' } })).rejects.toMatchObject({
      code: 'ERR_AGENT_MESSAGE_TOO_LARGE',
    });
    await agent.flush();
    expect(arrived('large').map(({ id, body: { length } }) => [id, length])).toEqual([['a', body.length]]);
    await agent.stop();
  });

  it('shares a folder among the agents of a process, tells what is kept, and delivers it the next time', async () => {
    const identities = await Promise.all(['shared-1', 'shared-2'].map((id) => issueIdentity(contoso, id)));
    const first = identities.map((identity) => watchedAgent(contoso, identity));
    for (const { agent } of first) {
      const starting = agent.start();
      await agent.send({ body: {}, messageId: 'kept' });
      // Before there is a connection.
      expect(await Promise.all([agent.stop(0), starting.catch(() => undefined)])).toMatchObject([
        { undeliveredMessages: 1 },
        undefined,
      ]);
    }
    for (const { events } of first)
      expect(events).toContainEqual(expect.objectContaining({ type: 'telemetry-kept', count: 1 }));
    const second = identities.map((identity) => watchedAgent(contoso, identity));
    await Promise.all(second.map(({ agent }) => agent.start()));
    await Promise.all(second.map(({ agent }) => agent.flush()));
    expect(['shared-1', 'shared-2'].map((id) => arrived(id).map((message) => message.id))).toEqual([
      ['kept'],
      ['kept'],
    ]);
    await Promise.all(second.map(({ agent }) => agent.stop()));
  });
});
