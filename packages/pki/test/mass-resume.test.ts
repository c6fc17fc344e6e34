import { expect, it } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import {
  issueMany,
  type IssuedCredential,
  type IssueManyOptions,
  type IssueProgress,
  type RefusedItem,
} from '../src/index.ts';
import type { Inventory, StationClaim } from '../src/inventory/index.ts';
import { afterFirstQuestion, collect, describeOnBothEngines, expectRefusal } from './inventory-engines.ts';
import { createLine, deviceIds, issueIds, issueRequests, makeRequests } from './mass-source.ts';

const order = { orderedBy: 'order 4711', station: 'station-1' };

/** Takes some devices, and then the process ends as with kill -9: nothing more is written. */
async function interrupt(
  options: IssueManyOptions<IssuedCredential> & { ids: string[]; after: number },
): Promise<IssuedCredential[]> {
  const { ids, after, ...others } = options;
  const run = issueMany(ids, { threads: 0, ...others });
  const taken: IssuedCredential[] = [];
  while (taken.length < after) {
    const next = await run.next();
    if (next.done) break;
    taken.push(next.value);
  }
  return taken;
}

/** A connection that can be cut: then it gives up the station, as the operating system makes a killed process do. */
async function cuttable(inventory: Inventory): Promise<{ inventory: Inventory; cut: () => Promise<void> }> {
  let claim: StationClaim | undefined;
  const claimStation = async (station: string): Promise<StationClaim> => {
    claim = await inventory.claimStation(station);
    return claim;
  };
  return { inventory: { ...inventory, claimStation }, cut: async () => claim?.release() };
}

async function states(inventory: Inventory): Promise<string[]> {
  return (await collect(inventory.find())).map(
    ({ registrationId, generation, state }) => `${registrationId} ${generation} ${state}`,
  );
}

describeOnBothEngines('mass issuing with an inventory', (createPlace) => {
  it('writes everything down, and marks it as delivered', async () => {
    const inventory = await (await createPlace()).open();
    const line = await createLine();
    const devices = await issueIds(deviceIds(5), { line, inventory, ...order, batchSize: 2 });
    const records = await collect(inventory.find());
    expect(records).toHaveLength(5);
    records.forEach((record, index) => {
      const { registrationId, serialNumber, keyIdentifier, thumbprintSha1, thumbprintSha256, notBefore, notAfter } =
        devices[index]!;
      expect(record).toMatchObject({
        registrationId,
        serialNumber,
        keyIdentifier,
        thumbprintSha1,
        thumbprintSha256,
        notBefore,
        notAfter,
        ...order,
        line: 'Line 1',
        state: 'delivered',
        generation: 1,
      });
      expect(new X509Certificate(devices[index]!.certificateDer).fingerprint256.replaceAll(':', '')).toBe(
        record.thumbprintSha256,
      );
    });
    expect((await inventory.verifyAudit()).problems).toEqual([]);
    await inventory.close();
  });

  it('has written a device down before it comes out', async () => {
    const inventory = await (await createPlace()).open();
    for await (const { registrationId, serialNumber } of issueMany(deviceIds(7), {
      line: await createLine(),
      inventory,
      ...order,
      threads: 0,
      batchSize: 3,
    })) {
      const record = (await inventory.findCurrent([registrationId])).get(registrationId);
      expect(record).toMatchObject({ serialNumber, state: 'issued' });
    }
    await inventory.close();
  });

  it('goes on after an interruption: delivered ones are skipped, the others issued anew, the old certificates abandoned', async () => {
    const inventory = await (await createPlace()).open();
    const line = await createLine();
    const { inventory: first, cut } = await cuttable(inventory);
    const ids = deviceIds(9);
    const before = await interrupt({ ids, after: 5, line, inventory: first, ...order, batchSize: 3 });
    await cut();
    const after = await issueIds(ids, { line, inventory, ...order, batchSize: 3 });
    // The first batch was entered as delivered together with the second one; of that, nobody can know.
    expect(after.map(({ registrationId }) => registrationId)).toEqual(ids.slice(3));
    expect(await states(inventory)).toEqual([
      ...ids.slice(0, 3).map((id) => `${id} 1 delivered`),
      ...ids.slice(3, 6).map((id) => `${id} 1 abandoned`),
      ...ids.slice(3, 6).map((id) => `${id} 2 delivered`),
      ...ids.slice(6).map((id) => `${id} 1 delivered`),
    ]);
    const serials = [...before, ...after].map(({ serialNumber }) => serialNumber);
    expect(new Set(serials).size).toBe(serials.length);
    const known = new Set((await collect(inventory.find())).map(({ serialNumber }) => serialNumber));
    expect(serials.every((serial) => known.has(serial))).toBe(true);
    expect((await inventory.verifyAudit()).problems).toEqual([]);
    await inventory.close();
  });

  it('asks the receiver what it has, and issues only the rest anew', async () => {
    const inventory = await (await createPlace()).open();
    const line = await createLine();
    const { inventory: first, cut } = await cuttable(inventory);
    const received = new Map<string, string>();
    const receiver = {
      take: async (devices: readonly IssuedCredential[]) => {
        for (const { registrationId, serialNumber } of devices) received.set(serialNumber, registrationId);
      },
      has: async () => new Set(received.keys()),
    };
    const ids = deviceIds(9);
    await interrupt({ ids, after: 5, line, inventory: first, ...order, batchSize: 3, receiver });
    await cut();
    await issueIds(ids, { line, inventory, ...order, batchSize: 3, receiver });
    expect([...received.values()].sort()).toEqual(ids);
    expect(await states(inventory)).toEqual(ids.map((id) => `${id} 1 delivered`));
    await inventory.close();
  });

  it('leaves the last device as issued when its consumer fails', async () => {
    const inventory = await (await createPlace()).open();
    const run = async (): Promise<void> => {
      for await (const { registrationId } of issueMany(deviceIds(3), {
        line: await createLine(),
        inventory,
        ...order,
        threads: 0,
      })) {
        if (registrationId === 'device-1') throw new TypeError('the disk is full');
      }
    };
    await expect(run()).rejects.toThrow('the disk is full');
    expect(await states(inventory)).toEqual(['device-0 1 delivered', 'device-1 1 issued', 'device-2 1 issued']);
    await inventory.close();
  });

  it('a second run changes nothing', async () => {
    const inventory = await (await createPlace()).open();
    const line = await createLine();
    await issueIds(deviceIds(4), { line, inventory, ...order });
    const { head } = await inventory.verifyAudit();
    expect(await issueIds(deviceIds(4), { line, inventory, ...order })).toEqual([]);
    expect((await inventory.verifyAudit()).head).toEqual(head);
    await inventory.close();
  });

  it('renews what ends before a moment, once', async () => {
    const inventory = await (await createPlace()).open();
    const line = await createLine();
    await issueIds(['short'], { line, inventory, ...order, validityDays: 10 });
    await issueIds(['long'], { line, inventory, ...order, validityDays: 400 });
    const renewal = { line, inventory, ...order, renewEndingBefore: new Date(Date.now() + 30 * 86_400_000) };
    expect((await issueIds(['short', 'long'], renewal)).map(({ registrationId }) => registrationId)).toEqual(['short']);
    expect(await issueIds(['short', 'long'], renewal)).toEqual([]);
    expect(await states(inventory)).toEqual(['short 1 renewed', 'long 1 delivered', 'short 2 delivered']);
    await inventory.close();
  });

  it('gives a revoked device a new certificate on explicit request only', async () => {
    const inventory = await (await createPlace()).open();
    const line = await createLine();
    const [device] = await issueIds(['stolen'], { line, inventory, ...order });
    await inventory.revoke({ ...order, serialNumber: device!.serialNumber, reason: 'keyCompromise' });
    await expectRefusal(
      issueIds(['stolen'], { line, inventory, ...order }),
      'ERR_PKI_DEVICE_REVOKED',
      /stolen.*keyCompromise/,
    );
    await issueIds(['stolen'], { line, inventory, ...order, reissueRevoked: true });
    expect(await states(inventory)).toEqual(['stolen 1 revoked', 'stolen 2 delivered']);
    await inventory.close();
  });

  it('leaves alone what another station has under way', async () => {
    const place = await createPlace();
    const [one, two] = [await place.open(), await place.open()];
    const line = await createLine();
    const held = issueMany(['shared', 'other'], { line, inventory: one, ...order, threads: 0 });
    await held.next();
    const refused: RefusedItem[] = [];
    const onRefused = (item: RefusedItem): void => void refused.push(item);
    const devices = await issueIds(['shared', 'mine'], {
      line,
      inventory: two,
      ...order,
      station: 'station-2',
      onRefused,
    });
    expect(devices.map(({ registrationId }) => registrationId)).toEqual(['mine']);
    expect(refused[0]).toMatchObject({ index: 0, registrationId: 'shared', error: { code: 'ERR_PKI_ALREADY_ISSUED' } });
    await expectRefusal(issueIds(['x'], { line, inventory: two, ...order }), 'ERR_PKI_STATION_BUSY', /station-1/);
    await held.return();
    await one.close();
    await two.close();
  });

  it('marks nothing as delivered that another station has written down in between', async () => {
    const place = await createPlace();
    const [one, two] = [await place.open(), await place.open()];
    const line = await createLine();
    const receiver = { take: async () => undefined };
    const options = { line, threads: 0, batchSize: 2, ...order };
    const first = issueMany(deviceIds(4, 'one'), { ...options, inventory: one, receiver });
    await first.next();
    const second = issueMany(deviceIds(2, 'two'), { ...options, inventory: two, station: 'station-2' });
    await second.next();
    await collect(first);
    expect(await states(one)).toEqual([
      ...deviceIds(2, 'one').map((id) => `${id} 1 delivered`),
      ...deviceIds(2, 'two').map((id) => `${id} 1 issued`),
      ...deviceIds(4, 'one')
        .slice(2)
        .map((id) => `${id} 1 delivered`),
    ]);
    await second.return();
    await one.close();
    await two.close();
  });

  it('writes down its other devices where another station was faster with some', async () => {
    const place = await createPlace();
    const [one, two] = [await place.open(), await place.open()];
    const line = await createLine();
    // The other station issues one of the devices.
    const late = afterFirstQuestion(one, () =>
      issueIds(['contested'], { line, inventory: two, ...order, station: 'station-2' }),
    );
    const devices = await issueIds(['a', 'contested', 'b'], { line, inventory: late, ...order });
    expect(devices.map(({ registrationId }) => registrationId)).toEqual(['a', 'b']);
    expect((await one.history('contested')).certificates).toMatchObject([{ station: 'station-2', state: 'delivered' }]);
    await one.close();
    await two.close();
  });

  it('signs a device’s own request once, and refuses another key for it', async () => {
    const inventory = await (await createPlace()).open();
    const line = await createLine();
    const [request, stranger] = [...(await makeRequests(['device-1'])), ...(await makeRequests(['device-1']))];
    const options = { line, inventory, ...order };
    expect(await issueRequests([request!], options)).toHaveLength(1);
    expect(await issueRequests([request!], options)).toHaveLength(0);
    await expectRefusal(issueRequests([stranger!], options), 'ERR_PKI_ALREADY_ISSUED', /device-1.*another key/);
    await inventory.close();
  });

  it('issues a device once that is in the source twice', async () => {
    const inventory = await (await createPlace()).open();
    const progress: IssueProgress[] = [];
    const onProgress = (now: IssueProgress): void => void progress.push(now);
    const options = { line: await createLine(), inventory, ...order, onProgress };
    expect(await issueIds(['a', 'b', 'a'], options)).toHaveLength(2);
    expect(await issueIds(['c', 'd', 'c', 'd'], { ...options, batchSize: 1 })).toHaveLength(2);
    expect(progress.at(-1)).toMatchObject({ issued: 2, skipped: 2, refused: 0 });
    await inventory.close();
  });

  it('wants to know on whose order', async () => {
    const inventory = await (await createPlace()).open();
    await expect(issueIds(['a'], { line: await createLine(), inventory })).rejects.toThrow(/orderedBy/);
    await inventory.close();
  });
});
