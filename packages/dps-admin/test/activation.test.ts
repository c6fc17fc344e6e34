import { describe, expect, it } from '@jest/globals';
import { checkPrerequisites, getIotHub } from '../src/index.ts';
import { names, setUp, useAzure } from './azure.ts';
import { failureOf } from './failure.ts';

// Each look at a resource that is being made brings it nearer to its end, so that no test has to wait.
const test = useAzure({ isSetUp: false, operationPolls: 12 });
const wanted = { resourceGroup: names.resourceGroup, dpsName: names.dpsName, hubNames: [names.hubName] };

describe('an earlier run that was cut off while Azure was at work', () => {
  it('ERR_NOT_ACTIVE says that Azure is still at it', async () => {
    const { iotHubs, iotDps } = test.session;
    await setUp(test.session);
    const { resourceGroup, dpsName } = names;
    const description = { location: 'westeurope', sku: { name: 'S1', capacity: 1 } } as const;
    await iotHubs.iotHubResource.beginCreateOrUpdate(resourceGroup, 'second-hub', description);
    await iotDps.iotDpsResource.beginCreateOrUpdate(resourceGroup, 'second-dps', { ...description, properties: {} });
    expect(await getIotHub(test.session, { resourceGroup, hubName: 'second-hub' })).toMatchObject({
      state: 'Activating',
      hostName: '',
    });

    const hubError = await failureOf(() =>
      checkPrerequisites(test.session, { ...wanted, hubNames: [names.hubName, 'second-hub'] }),
    );
    expect(hubError).toMatchObject({ code: 'ERR_NOT_ACTIVE', advice: 'retry' });
    expect(hubError.message).toMatch(/Hub 'second-hub' is Activating.*run again/);
    expect(dpsName).not.toBe('second-dps');
  });

  it('is gone on with: what is being made is waited for', async () => {
    const report = await checkPrerequisites(test.session, {
      ...wanted,
      dpsName: 'second-dps',
      hubNames: [names.hubName, 'second-hub'],
      createMissing: true,
    });
    expect(report.created.map(({ kind }) => kind)).toEqual(['link', 'link']);
    expect(report.hubs.map(({ state }) => state)).toEqual(['Active', 'Active']);
    expect(report.links).toHaveLength(2);
  });
});

describe('a hub that is being deleted', () => {
  it('ERR_NOT_ACTIVE does not wait for it', async () => {
    await test.session.iotHubs.iotHubResource.beginDelete(names.resourceGroup, 'second-hub');
    for (const createMissing of [false, true]) {
      const error = await failureOf(() =>
        checkPrerequisites(test.session, { ...wanted, hubNames: ['second-hub'], createMissing }),
      );
      expect(error).toMatchObject({ code: 'ERR_NOT_ACTIVE', advice: 'fix-azure' });
      expect(error.message).toContain('Deleting');
    }
  });
});
