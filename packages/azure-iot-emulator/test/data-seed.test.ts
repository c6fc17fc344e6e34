import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AzureIotEmulator, type Seed, startAzureIot } from '../src/index.ts';
import { issueRoot } from './dps-certificates.ts';

describe('a seed', () => {
  let folder: string;
  let emulator: AzureIotEmulator;
  let seedFile: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'emulator-seed-'));
    seedFile = join(folder, 'seed.json');
    await writeFile(join(folder, 'root.pem'), (await issueRoot('Seed Root')).pem);
    emulator = await startAzureIot();
  });
  afterAll(async () => {
    await emulator.close();
    await rm(folder, { recursive: true });
  });

  const whole = {
    hubs: [
      {
        name: 'west',
        sku: 'S1',
        units: 2,
        certificates: [{ name: 'root', file: 'root.pem' }],
        devices: [
          { deviceId: 'a', tags: { site: 1 }, desired: { on: true } },
          { deviceId: 'b', status: 'disabled' },
        ],
      },
    ],
    provisioningServices: [
      {
        name: 'factory',
        linkedHubs: ['west'],
        allocationPolicy: 'Static',
        certificates: [{ name: 'root', file: 'root.pem' }],
        enrollmentGroups: [
          { enrollmentGroupId: 'line-1', attestation: { type: 'x509', x509: { caReferences: { primary: 'root' } } } },
        ],
        enrollments: [{ registrationId: 'one', attestation: { type: 'symmetricKey' } }],
      },
    ],
  };

  it('ok: makes what it says, from a file, and leaves it alone the second time', async () => {
    await writeFile(seedFile, JSON.stringify(whole));
    const first = await emulator.seed(seedFile);
    expect([first.written.length, first.unchanged]).toEqual([9, []]);
    const hub = emulator.hub('west');
    expect(hub.twinOf('a')).toMatchObject({ tags: { site: 1 }, properties: { desired: { on: true } } });
    expect(hub.twinOf('b')).toMatchObject({ status: 'disabled' });
    expect(emulator.dps('factory').idScope).toMatch(/^0ne[0-9A-F]{8}$/);
    const state = emulator.snapshots.take();
    const second = await emulator.seed(seedFile);
    expect([second.written, second.unchanged.length]).toEqual([[], 9]);
    expect({ ...emulator.snapshots.take(), takenAt: '' }).toEqual({ ...state, takenAt: '' });
  });

  it('ok: keys of shared access policies, so that connection strings that are built into programs match', async () => {
    const [primaryKey, secondaryKey] = [1, 2].map((byte) => Buffer.alloc(32, byte).toString('base64'));
    const keyed: Seed = {
      hubs: [{ name: 'keyed', sharedAccessKeys: { iothubowner: { primaryKey: primaryKey! } } }],
      provisioningServices: [
        {
          name: 'keyed-dps',
          linkedHubs: ['keyed'],
          sharedAccessKeys: { provisioningserviceowner: { primaryKey: primaryKey!, secondaryKey: secondaryKey! } },
        },
      ],
    };
    await emulator.seed(keyed);
    const hub = emulator.hub('keyed');
    expect(hub.connectionString('iothubowner')).toBe(
      `HostName=${hub.hostName};SharedAccessKeyName=iothubowner;SharedAccessKey=${primaryKey!}`,
    );
    expect(hub.sharedAccessPolicies.map(({ name }) => name)).toEqual([
      ...['iothubowner', 'service', 'device', 'registryRead', 'registryReadWrite'],
    ]);
    const state = emulator.snapshots.take();
    await emulator.seed(keyed);
    expect({ ...emulator.snapshots.take(), takenAt: '' }).toEqual({ ...state, takenAt: '' });
    expect(JSON.stringify(state)).toContain(secondaryKey);
  });

  it('ok: writes what differs from before, and what is gone', async () => {
    const hub = emulator.hub('west');
    hub.registry.delete('a', 'none');
    const [west] = whole.hubs;
    const changed = {
      ...whole,
      hubs: [{ ...west!, devices: [west!.devices[0]!, { deviceId: 'b', status: 'enabled' }] }],
    };
    await writeFile(seedFile, JSON.stringify(changed));
    const { written } = await emulator.seed(seedFile);
    expect(written).toEqual(['hubs[0].devices[0]', 'hubs[0].devices[1]']);
    expect(hub.twinOf('b')).toMatchObject({ status: 'enabled' });
  });

  it.each([
    [{ hubs: {} }, /the seed\.hubs: expected an array, found \{\}/],
    [{ hubs: [{ sku: 'S1' }] }, /hubs\[0\]\.name: expected a text, found nothing/],
    [{ hubs: [{ name: 'x', sku: 'S9' }] }, /hubs\[0\]\.sku: expected one of F1, .*found "S9"/],
    [
      { hubs: [{ name: 'abc', sharedAccessKeys: { owner: { primaryKey: 'AAAA' } } }] },
      /hubs\[0\]\.sharedAccessKeys: expected policies out of iothubowner, .* found owner/,
    ],
    [{ hubs: [{ name: 'x', device: [] }] }, /hubs\[0\]\.device: expected only name, .*found 'device'/],
    [
      { hubs: [{ name: 'abc', devices: [{ deviceId: 7 }] }] },
      /hubs\[0\]\.devices\[0\]\.deviceId: expected a text, found 7/,
    ],
    [
      { hubs: [{ name: 'abc', devices: [{ deviceId: 'a b' }] }] },
      /hubs\[0\]\.devices\[0\]: expected what hub accepts, found 400 .*device ID 'a b'/,
    ],
    [
      { provisioningServices: [{ name: 'dps', linkedHubs: ['no'] }] },
      /linkedHubs\[0\]: expected the name of a hub .*found 'no'/,
    ],
    [
      { provisioningServices: [{ name: 'dps', enrollments: [{}] }] },
      /enrollments\[0\]\.registrationId: expected a text/,
    ],
    [
      { provisioningServices: [{ name: 'dps', certificates: [{ name: 'r', file: 'none.pem' }] }] },
      /certificates\[0\]\.file: expected a file/,
    ],
    [
      { provisioningServices: [{ name: 'dps', certificates: [{ name: 'r' }] }] },
      /certificates\[0\]: expected certificate or file, found neither/,
    ],
  ])('fail: %j names the entry, what was expected and what was found', async (seed, message) => {
    await expect(emulator.seed(seed as unknown as Seed)).rejects.toMatchObject({
      code: 'ERR_EMULATOR_SEED',
      message: expect.stringMatching(message) as unknown as string,
    });
  });

  it('fail: a file that isn’t there stops the start, and nothing is left running', async () => {
    await expect(startAzureIot({ seed: join(folder, 'none.json') })).rejects.toMatchObject({
      code: 'ERR_EMULATOR_SEED',
    });
  });
});
