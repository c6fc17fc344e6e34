import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { runEmulatorCommand } from './client-command.ts';
import { issueRoot } from './dps-certificates.ts';

// Version 6 declares Node 22 and runs on 20 all the same; test:nodes runs this on 22 and 24 too.
describe('@azure/arm-deviceprovisioningservices 6, @azure/arm-iothub and @azure/arm-resources without any option', () => {
  it('ok: the DPS’s life, its keys, its certificates; fail: a stale ETag', async () => {
    const { pem } = await issueRoot('Contoso Root');
    const { code, out, err } = await runEmulatorCommand(
      ['exec', '--quiet', '--', process.execPath, fileURLToPath(new URL('client-arm-6-program.mjs', import.meta.url))],
      { ROOT_PEM: pem },
    );
    expect([code, err]).toEqual([0, '']);
    expect(JSON.parse(out)).toEqual({
      isFree: true,
      state: 'Active',
      iotHubs: ['contoso-hub.azure-devices.net'],
      hosts: ['contoso-dps.azure-devices-provisioning.net', 'global.azure-devices-provisioning.net'],
      tags: { by: 'version 6' },
      rights: 'ServiceConfig, DeviceConnect, EnrollmentWrite',
      code: 48,
      refused: 412,
      certificates: ['root'],
      names: ['contoso-dps'],
      fetched: true,
      allKeys: ['provisioningserviceowner'],
      skus: ['S1'],
      left: [],
    });
  }, 120_000);
});
