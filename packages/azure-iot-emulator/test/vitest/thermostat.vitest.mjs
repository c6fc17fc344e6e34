// Run by testing-vitest.test.ts in a process of its own.
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { emulatorForTests } from '@contoso/azure-iot-emulator/testing';

const azure = emulatorForTests(
  { beforeAll, afterAll, afterEach },
  { seed: { hubs: [{ name: 'my-hub', devices: [{ deviceId: 'thermostat-1' }] }] } },
);

it('has what the seed says', () => {
  expect(azure.hub('my-hub').hasDevice('thermostat-1')).toBe(true);
  azure.hub('my-hub').remove('thermostat-1');
});

it('has it again in the next test', () => {
  expect(azure.hub('my-hub').hasDevice('thermostat-1')).toBe(true);
});

it('lets time go by', () => {
  azure.hub('my-hub').sendToDevice('thermostat-1', { body: Buffer.from('late'), ack: 'full' });
  azure.clock.advance(2 * 3_600_000);
  expect(azure.hub('my-hub').twinOf('thermostat-1').cloudToDeviceMessageCount).toBe(0);
});
