import { startAzureIot } from '@contoso/azure-iot-emulator';
import type { HubCommand, HubReady } from './emulator-servers.ts';

// The emulator in a process of its own; it is set up from outside, as users do it. Without quotas: an S1 unit takes twelve
// messages a second.
const emulator = await startAzureIot({ quotas: 'off' });
const readUpTo = new Map<string, number>();

process.on('message', (command: HubCommand) => {
  process.send?.(obey(command));
});
process.once('disconnect', () => process.exit(0));
process.send?.({ cloud: emulator.cloud, port: emulator.mqttPort } satisfies HubReady);

function obey(command: HubCommand): object {
  if (command.do === 'collect') {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    return { heapMiB: (heapUsed + external) / 2 ** 20 };
  }
  const hub = emulator.hub(command.hub);
  if (command.do === 'provision') {
    for (const { deviceId, thumbprint } of command.devices) {
      hub.provision({ deviceId, thumbprints: { primary: thumbprint, secondary: thumbprint } });
    }
    return {};
  }
  // Every message has to be there with its body, its properties, and no gap in its device's numbers.
  const messages = hub.telemetry.list(readUpTo.get(command.hub) ?? 0);
  readUpTo.set(command.hub, hub.telemetry.lastSequenceNumber);
  const next = new Map<string, number>();
  let wrong = 0;
  for (const { deviceId, body, systemProperties } of messages) {
    const { device, number } = JSON.parse(Buffer.from(body).toString()) as { device: string; number: string };
    const expected = next.get(deviceId) ?? command.first + 1;
    const isRight =
      device === deviceId &&
      Number(number) === expected &&
      systemProperties['iothub-connection-device-id'] === deviceId;
    if (!isRight) wrong += 1;
    next.set(deviceId, Number(number) + 1);
  }
  return { read: messages.length, wrong };
}
