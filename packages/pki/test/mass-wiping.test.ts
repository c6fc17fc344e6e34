import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { issueMany as issueWithThreads } from '@contoso/pki';
import {
  issueMany,
  PkiError,
  type CertificateAuthority,
  type IssuedCredential,
  type IssueManyOptions,
} from '../src/index.ts';
import type { Inventory } from '../src/inventory/index.ts';
import { afterFirstQuestion, collect, describeOnBothEngines, responsible } from './inventory-engines.ts';
import { createLine, deviceIds } from './mass-source.ts';
import { countSeen, watchMemory } from './memory-watch.ts';

/** What stands before the private number of a P-256 key in PKCS#8. */
const beforeKey = Buffer.from('306b0201010420', 'hex');

beforeEach(watchMemory);
afterEach(() => void jest.restoreAllMocks());

/** Keys in all memory that was seen; one that lies in two places counts twice. */
function countKeys(): number {
  return countSeen(beforeKey, (after) => after.subarray(0, 32).some((octet) => octet !== 0));
}

type Options = Omit<IssueManyOptions<IssuedCredential>, 'line'>;

/** A failure of the run, or none where its consumer stops. */
async function run(options: Options & { line: CertificateAuthority; stopAfter?: number }): Promise<IssuedCredential[]> {
  const { stopAfter = Infinity, threads = 0 } = options;
  const devices: IssuedCredential[] = [];
  for await (const device of (threads > 0 ? issueWithThreads : issueMany)(deviceIds(60), {
    batchSize: 20,
    threads,
    ...options,
  })) {
    devices.push(device);
    if (devices.length === stopAfter) break;
  }
  return devices;
}

describe('keys that nobody gets are wiped', () => {
  it('finds keys that are not', async () => {
    const devices = await run({ line: await createLine() });
    expect(countKeys()).toBe(60);
    for (const device of devices) device.wipe();
    expect(countKeys()).toBe(0);
  });

  it.each([0, 2])('the consumer stops; %i threads', async (threads) => {
    const devices = await run({ line: await createLine(), threads, stopAfter: 3 });
    expect(countKeys()).toBe(3);
    for (const device of devices) device.wipe();
    expect(countKeys()).toBe(0);
  });

  it.each([0, 2])('the receiver fails; %i threads', async (threads) => {
    const taken: IssuedCredential[] = [];
    const receiver = {
      take: (devices: readonly IssuedCredential[]): Promise<void> => {
        taken.push(...devices);
        return Promise.reject(new TypeError('the disk is full'));
      },
    };
    const line = await createLine();
    await expect(run({ line, threads, receiver })).rejects.toThrow('the disk is full');
    expect(taken).toHaveLength(20);
    expect(() => taken[0]!.privateKeyDer).toThrow(/wiped/);
    expect(countKeys()).toBe(0);
  });

  it.each([0, 2])('the inventory fails; %i threads', async (threads) => {
    const inventory = {
      claimStation: () => Promise.resolve({ check: () => undefined, release: () => Promise.resolve() }),
      findCurrent: () => Promise.resolve(new Map()),
      record: () => Promise.reject(new PkiError('ERR_PKI_INVENTORY_UNAVAILABLE', 'gone')),
    } as unknown as Inventory;
    const line = await createLine();
    await expect(run({ line, threads, inventory, ...responsible })).rejects.toThrow('gone');
    expect(countKeys()).toBe(0);
  });

  it('the line fails in the middle, on the ordinary path', async () => {
    const line = await createLine();
    let signed = 0;
    const sign = (data: Uint8Array): Promise<Uint8Array> =>
      (signed += 1) > 30 ? Promise.reject(new TypeError('the token is out')) : line.key.sign(data);
    const { keyAlgorithm, publicKeyDer } = line.key;
    const held = { ...line, key: { keyAlgorithm, publicKeyDer, sign } };
    await expect(run({ line: held, batchSize: 60 })).rejects.toThrow('the token is out');
    // Those that were under way, and no others.
    expect(signed).toBeLessThan(30 + 17);
    expect(countKeys()).toBe(0);
  });
});

describeOnBothEngines('a device that another station was faster with', (createPlace) => {
  it('has its key wiped', async () => {
    const place = await createPlace();
    const [one, two] = [await place.open(), await place.open()];
    const line = await createLine();
    const late = afterFirstQuestion(one, async () => {
      const theirs = { line, inventory: two, ...responsible, station: 'station-2', threads: 0 };
      for await (const device of issueMany(['device-1'], theirs)) device.wipe();
    });
    const onRefused = (): void => undefined;
    const devices = await collect(
      issueMany(deviceIds(3), { line, inventory: late, ...responsible, threads: 0, onRefused }),
    );
    expect(devices.map(({ registrationId }) => registrationId)).toEqual(['device-0', 'device-2']);
    expect(countKeys()).toBe(2);
    await one.close();
    await two.close();
  });
});
