import { describe, expect, it } from '@jest/globals';
import { changedSettings, readSettings, withSettings } from '../src/enrollment-document.ts';
import { checkSettings } from '../src/enrollment-settings.ts';
import type { EnrollmentSettings } from '../src/index.ts';
import { failureOf } from './failure.ts';

/** As DPS returned it in December 2025. */
const stored = {
  enrollmentGroupId: 'g',
  attestation: { type: 'symmetricKey' },
  capabilities: { iotEdge: false },
  etag: 'IjA2MDA4ZTYyLTAwMDAtMzMwMC0wMDAwLTY5MzFmMjdhMDAwMCI=',
  provisioningStatus: 'enabled',
  reprovisionPolicy: { updateHubAssignment: true, migrateDeviceData: true },
  createdDateTimeUtc: '2025-12-04T20:43:38.6838432Z',
  lastUpdatedDateTimeUtc: '2025-12-04T20:43:38.6838432Z',
  allocationPolicy: 'hashed',
  iotHubs: ['h.azure-devices.net'],
};

function changes(wanted: EnrollmentSettings, document: Record<string, unknown> = stored): string[] {
  return changedSettings(readSettings(document), wanted);
}

describe('changedSettings', () => {
  it('is nothing when nothing is wanted', () => {
    expect(changes({})).toEqual([]);
  });

  it('is nothing when all is as it should be', () => {
    expect(
      changes({
        provisioningStatus: 'enabled',
        capabilities: { iotEdge: false },
        initialTwin: {},
        iotHubs: ['H.azure-devices.net'],
        allocationPolicy: 'hashed',
        reprovisionPolicy: { updateHubAssignment: true, migrateDeviceData: true },
      }),
    ).toEqual([]);
  });

  it.each<[keyof EnrollmentSettings, EnrollmentSettings]>([
    ['provisioningStatus', { provisioningStatus: 'disabled' }],
    ['capabilities', { capabilities: { iotEdge: true } }],
    ['initialTwin', { initialTwin: { tags: { line: 'a' } } }],
    ['initialTwin', { initialTwin: { desired: { targetTemperature: 21 } } }],
    ['iotHubs', { iotHubs: [] }],
    ['iotHubs', { iotHubs: ['h.azure-devices.net', 'i.azure-devices.net'] }],
    ['allocationPolicy', { allocationPolicy: 'geoLatency' }],
    ['customAllocation', { customAllocation: { webhookUrl: 'https://f', apiVersion: '2021-10-01' } }],
    ['reprovisionPolicy', { reprovisionPolicy: { updateHubAssignment: true, migrateDeviceData: false } }],
  ])('finds %s in %j', (name, wanted) => {
    expect(changes(wanted)).toEqual([name]);
  });

  it('does not count what clients add to a stored twin collection', () => {
    const document = {
      ...stored,
      initialTwin: { tags: { line: 'a', version: 3, count: 1, $version: 1 }, properties: { desired: {} } },
    };
    expect(changes({ initialTwin: { tags: { line: 'a' } } }, document)).toEqual([]);
    expect(changes({ initialTwin: { tags: { line: 'a', version: 4 } } }, document)).toEqual(['initialTwin']);
    expect(changes({ initialTwin: { tags: {} } }, document)).toEqual(['initialTwin']);
  });

  it('reads the defaults that Azure leaves out', () => {
    expect(readSettings({})).toMatchObject({
      provisioningStatus: 'enabled',
      capabilities: { iotEdge: false },
      iotHubs: [],
      reprovisionPolicy: { updateHubAssignment: true, migrateDeviceData: true },
    });
  });
});

describe('withSettings', () => {
  it('keeps what is not wanted otherwise and leaves out what only the service writes', () => {
    const { createdDateTimeUtc, lastUpdatedDateTimeUtc, etag, ...kept } = stored;
    expect([createdDateTimeUtc, lastUpdatedDateTimeUtc, etag]).not.toContain(undefined);
    expect(withSettings(stored, { provisioningStatus: 'disabled' })).toEqual({
      ...kept,
      provisioningStatus: 'disabled',
    });
  });

  it('gives hubs without a policy the policy hashed', () => {
    expect(withSettings({}, { iotHubs: ['h'] })).toEqual({ iotHubs: ['h'], allocationPolicy: 'hashed' });
    expect(withSettings({ allocationPolicy: 'geoLatency' }, { iotHubs: ['h'] })).toMatchObject({
      allocationPolicy: 'geoLatency',
    });
    expect(withSettings({}, { iotHubs: [] })).toEqual({ iotHubs: [] });
  });

  it('takes the webhook away with the custom policy', () => {
    const customAllocation = { webhookUrl: 'https://f', apiVersion: '2021-10-01' };
    const custom = withSettings({}, { allocationPolicy: 'custom', customAllocation });
    expect(custom).toEqual({ allocationPolicy: 'custom', customAllocationDefinition: customAllocation });
    expect(withSettings(custom, { allocationPolicy: 'hashed' })).toEqual({ allocationPolicy: 'hashed' });
    expect(withSettings(custom, { provisioningStatus: 'disabled' })).toMatchObject(custom);
  });
});

describe('checkSettings', () => {
  it.each<[EnrollmentSettings, string]>([
    [{ provisioningStatus: 'off' as 'disabled' }, 'enabled or disabled'],
    [{ allocationPolicy: 'random' as 'hashed' }, 'hashed, geoLatency, static or custom'],
    [{ allocationPolicy: 'custom' }, 'need each other'],
    [{ customAllocation: { webhookUrl: 'https://f', apiVersion: '1' } }, 'need each other'],
    [{ allocationPolicy: 'custom', customAllocation: { webhookUrl: 'http://f', apiVersion: '1' } }, 'https://'],
    [{ allocationPolicy: 'static' }, 'iotHubs'],
  ])('refuses %j', async (settings, reason) => {
    const error = await failureOf(() => Promise.resolve().then(() => checkSettings(settings)));
    expect(error.code).toBe('ERR_INVALID_INPUT');
    expect(error.message).toContain(reason);
  });

  it('takes what Azure takes', () => {
    expect(() => checkSettings({ allocationPolicy: 'static', iotHubs: ['h'] })).not.toThrow();
    expect(() => checkSettings({})).not.toThrow();
  });
});
