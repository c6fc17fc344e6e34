import { beforeEach, describe, expect, it } from '@jest/globals';
import { checkPrerequisites, getIotHub, getProvisioningService, getResourceGroup } from '../src/index.ts';
import type { PrerequisiteOptions, PrerequisiteProgress } from '../src/index.ts';
import { useAzure } from './azure.ts';
import { failureOf } from './failure.ts';

const test = useAzure({ isSetUp: false });

let counter = 0;
let wanted: PrerequisiteOptions;
beforeEach(() => {
  counter += 1;
  wanted = {
    resourceGroup: `rg-${counter}`,
    dpsName: `dps-${counter}`,
    hubNames: [`hub-${counter}-a`, `hub-${counter}-b`],
    location: 'westeurope',
  };
});

async function isUntouched(): Promise<boolean> {
  return (await getResourceGroup(test.session, wanted.resourceGroup)) === undefined;
}

describe('checkPrerequisites without createMissing', () => {
  it('ERR_PREREQUISITES_MISSING lists everything at once and changes nothing', async () => {
    const error = await failureOf(() => checkPrerequisites(test.session, wanted));
    expect(error).toMatchObject({ code: 'ERR_PREREQUISITES_MISSING', advice: 'fix-azure' });
    const [a, b] = wanted.hubNames;
    expect(error.missing?.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      `resource-group ${wanted.resourceGroup}`,
      `iot-hub ${a}`,
      `iot-hub ${b}`,
      `dps ${wanted.dpsName}`,
      `link ${a}`,
      `link ${b}`,
    ]);
    for (const { name, remedy } of error.missing ?? []) {
      expect(error.message).toContain(name);
      expect(error.message).toContain(remedy);
    }
    expect(await isUntouched()).toBe(true);
  });

  it('lists what is missing of what is there in part', async () => {
    const [a, b] = wanted.hubNames;
    await checkPrerequisites(test.session, { ...wanted, hubNames: [a!], createMissing: true });
    const error = await failureOf(() => checkPrerequisites(test.session, wanted));
    expect(error.missing?.map(({ kind, name }) => `${kind} ${name}`)).toEqual([`iot-hub ${b}`, `link ${b}`]);
  });

  it('reports what is there', async () => {
    await checkPrerequisites(test.session, { ...wanted, createMissing: true });
    const seen: PrerequisiteProgress[] = [];
    const report = await checkPrerequisites(test.session, { ...wanted, onProgress: (progress) => seen.push(progress) });
    const [a, b] = wanted.hubNames;
    const { cloud } = test.azure;
    expect(report).toEqual({
      resourceGroup: { name: wanted.resourceGroup, location: 'westeurope' },
      hubs: [a, b].map((name) => ({
        name,
        hostName: `${name}.${cloud.hubSuffix}`,
        location: 'westeurope',
        state: 'Active',
      })),
      dps: {
        name: wanted.dpsName,
        idScope: expect.stringMatching(/^0ne[0-9A-F]{8}$/),
        serviceHost: `${wanted.dpsName}.${cloud.provisioningServiceSuffix}`,
        deviceEndpoint: cloud.provisioningDeviceEndpoint,
      },
      links: [`${a}.${cloud.hubSuffix}`, `${b}.${cloud.hubSuffix}`],
      created: [],
    });
    expect(new Set(seen.map(({ step }) => step))).toEqual(new Set(['found']));
    expect(seen).toHaveLength(6);
  });
});

describe('checkPrerequisites with createMissing', () => {
  it('makes everything, and nothing the second time', async () => {
    const first = await checkPrerequisites(test.session, { ...wanted, createMissing: true });
    expect(first.created.map(({ kind }) => kind).toSorted()).toEqual([
      'dps',
      'iot-hub',
      'iot-hub',
      'link',
      'link',
      'resource-group',
    ]);
    const second = await checkPrerequisites(test.session, { ...wanted, createMissing: true });
    expect(second).toEqual({ ...first, created: [] });
  });

  it('goes on after a stop at any point', async () => {
    const stops: string[] = [];
    for (let stopAfter = 1; ; stopAfter += 1) {
      let seen = 0;
      const onProgress = ({ step, kind, name }: PrerequisiteProgress): void => {
        seen += 1;
        if (seen === stopAfter) throw new Error(`stopped at ${step} ${kind} ${name}`);
      };
      try {
        await checkPrerequisites(test.session, { ...wanted, createMissing: true, onProgress });
        break;
      } catch (error) {
        stops.push((error as Error).message);
      }
    }
    expect(stops.length).toBeGreaterThanOrEqual(6);
    expect(stops).toContain(`stopped at creating resource-group ${wanted.resourceGroup}`);
    const report = await checkPrerequisites(test.session, wanted);
    expect(report.links).toHaveLength(2);
  });

  it('keeps links, tags and other settings of the instance', async () => {
    const [a, b] = wanted.hubNames;
    await checkPrerequisites(test.session, { ...wanted, hubNames: [a!], createMissing: true });
    const { iotDpsResource } = test.session.iotDps;
    const before = await iotDpsResource.get(wanted.dpsName, wanted.resourceGroup);
    await iotDpsResource.beginCreateOrUpdateAndWait(
      wanted.resourceGroup,
      wanted.dpsName,
      { ...before, tags: { owner: 'factory' }, properties: { ...before.properties, allocationPolicy: 'GeoLatency' } },
      { updateIntervalInMs: 10 },
    );
    const report = await checkPrerequisites(test.session, { ...wanted, hubNames: [b!], createMissing: true });
    expect(report.links).toEqual([`${a}.${test.azure.cloud.hubSuffix}`, `${b}.${test.azure.cloud.hubSuffix}`]);
    const after = await iotDpsResource.get(wanted.dpsName, wanted.resourceGroup);
    expect(after).toMatchObject({ tags: { owner: 'factory' }, properties: { allocationPolicy: 'GeoLatency' } });
    expect(JSON.stringify(report)).not.toContain('SharedAccessKey');
  });

  it('links two hubs for two operators at once', async () => {
    await checkPrerequisites(test.session, { ...wanted, hubNames: [`hub-${counter}-c`], createMissing: true });
    const other = await test.signIn();
    await Promise.all(
      wanted.hubNames.map((name, index) =>
        checkPrerequisites(index === 0 ? test.session : other, { ...wanted, hubNames: [name], createMissing: true }),
      ),
    );
    expect((await getProvisioningService(test.session, wanted))?.linkedHubs).toHaveLength(3);
  });

  it('takes the location of a resource group that exists', async () => {
    const { location, ...noLocation } = wanted;
    await checkPrerequisites(test.session, { ...wanted, hubNames: [wanted.hubNames[0]!], createMissing: true });
    const report = await checkPrerequisites(test.session, { ...noLocation, createMissing: true });
    expect(report.hubs.map((hub) => hub.location)).toEqual([location, location]);
  });

  it('ERR_INVALID_INPUT without a location, before anything is created', async () => {
    const { location, ...noLocation } = wanted;
    const error = await failureOf(() => checkPrerequisites(test.session, { ...noLocation, createMissing: true }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_INPUT', advice: 'fix-input' });
    expect(error.message).toContain(location);
    expect(await isUntouched()).toBe(true);
  });

  it.each(['dpsName', 'hubNames'] as const)('ERR_NAME_TAKEN for %s, before anything is created', async (which) => {
    const owner = {
      ...wanted,
      resourceGroup: `${wanted.resourceGroup}-owner`,
      dpsName: `${wanted.dpsName}-x`,
      hubNames: [`hub-${counter}-x`],
    };
    await checkPrerequisites(test.session, { ...owner, createMissing: true });
    const error = await failureOf(() =>
      checkPrerequisites(test.session, { ...wanted, [which]: owner[which], createMissing: true }),
    );
    expect(error).toMatchObject({ code: 'ERR_NAME_TAKEN', advice: 'fix-input' });
    expect(error.message).toContain(which === 'dpsName' ? owner.dpsName : owner.hubNames[0]);
    expect(await isUntouched()).toBe(true);
  });
});

describe('bad input', () => {
  it.each<[string, Partial<PrerequisiteOptions>]>([
    ['resource group', { resourceGroup: 'ends-with-a-dot.' }],
    ['DPS name', { dpsName: '-x' }],
    ['hub name', { hubNames: ['hub_1'] }],
    ['No hub', { hubNames: [] }],
  ])('ERR_INVALID_INPUT names the %s', async (title, change) => {
    const error = await failureOf(() => checkPrerequisites(test.session, { ...wanted, ...change }));
    expect(error.code).toBe('ERR_INVALID_INPUT');
    expect(error.message).toContain(title);
  });

  it('TypeError for a wrong type', async () => {
    const bad = { ...wanted, hubNames: 'hub' as unknown as string[] };
    await expect(checkPrerequisites(test.session, bad)).rejects.toBeInstanceOf(TypeError);
    await expect(
      getIotHub(test.session, { resourceGroup: 'rg', hubName: 7 as unknown as string }),
    ).rejects.toBeInstanceOf(TypeError);
  });
});

describe('a resource group that does not exist', () => {
  it('is an error for what is inside it, not an absence', async () => {
    const target = { resourceGroup: wanted.resourceGroup, dpsName: 'dps', hubName: 'hub' };
    expect((await failureOf(() => getIotHub(test.session, target))).code).toBe('ERR_RESOURCE_GROUP_NOT_FOUND');
    expect((await failureOf(() => getProvisioningService(test.session, target))).code).toBe(
      'ERR_RESOURCE_GROUP_NOT_FOUND',
    );
  });
});
