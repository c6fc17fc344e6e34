import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openHub, type HubTestBed } from './hub-test-bed.ts';
import { signToken } from './hub-token.ts';

let bed: HubTestBed;

beforeEach(async () => {
  bed = await openHub();
  for (const deviceId of ['d1', 'd2']) bed.hub.registry.create(deviceId, {});
});

afterEach(() => bed.close());

function receive(deviceId: string, text: string): void {
  const { identity } = bed.hub.registry.require(deviceId);
  bed.hub.telemetry.append((sequenceNumber) => ({
    sequenceNumber,
    deviceId: identity.deviceId,
    enqueuedTimeMs: 0,
    systemProperties: {},
    applicationProperties: {},
    body: Buffer.from(text),
  }));
}

async function openStream(query = ''): Promise<IncomingMessage> {
  const resource = 'h1.azure-devices.localhost';
  const key = bed.hub.sharedAccessPolicies[0]!.primaryKey;
  const request = httpsRequest({
    host: '127.0.0.1',
    port: bed.port,
    ca: bed.identity.rootPem,
    servername: resource,
    agent: false,
    path: `/emulator/telemetry/stream${query}`,
    headers: { host: bed.hub.hostName, authorization: signToken({ resource, key, policy: 'iothubowner' }) },
  });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
}

function texts(response: IncomingMessage, count: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const found: string[] = [];
    const lines = createInterface({ input: response });
    response.once('error', reject);
    lines.on('line', (line) => {
      if (line === '') return;
      const { bodyBase64 } = JSON.parse(line) as { bodyBase64: string };
      found.push(Buffer.from(bodyBase64, 'base64').toString());
      if (found.length === count) resolve(found);
    });
  });
}

describe('GET /emulator/telemetry/stream', () => {
  it('ok: what was there, then what comes, a line of JSON each', async () => {
    receive('d1', 'one');
    const response = await openStream();
    expect([response.statusCode, response.headers['content-type']]).toEqual([200, 'application/x-ndjson']);
    const three = texts(response, 3);
    receive('d2', 'two');
    receive('d1', 'three');
    await expect(three).resolves.toEqual(['one', 'two', 'three']);
    response.destroy();
  });

  it('ok: of one device, from a place on, until the hub is closed', async () => {
    receive('d1', 'one');
    receive('d2', 'two');
    receive('d1', 'three');
    const response = await openStream('?deviceId=d1&after=1');
    await expect(texts(response, 1)).resolves.toEqual(['three']);
    const ended = once(response, 'end');
    bed.hub.close();
    await ended;
  });

  it('fail: a place that is no number', async () => {
    await expect(bed.call('GET', '/emulator/telemetry/stream?after=x')).resolves.toMatchObject({ status: 400 });
  });
});
