import { startAzureIot, type AzureIotEmulator } from '@contoso/azure-iot-emulator';
import type { Arrival, AzureAnswer, AzureOrder, AzurePlace } from './azure-orders.ts';
import { names } from './chaos-seed.ts';

// The emulator of the chaos run, in a process that can be killed; what it answers for is on its disk.
let azure: AzureIotEmulator | undefined;

process.on('message', ({ id, order }: { readonly id: number; readonly order: AzureOrder }) => {
  obey(order).then(
    (result) => answer({ id, result }),
    (error: unknown) => answer({ id, error: error instanceof Error ? error.message : String(error) }),
  );
});

function answer(message: AzureAnswer): void {
  if (process.connected) process.send?.(message);
}

process.once('disconnect', () => void azure?.close());

async function obey(order: AzureOrder): Promise<unknown> {
  if (order.do === 'start') {
    azure = await startAzureIot(order);
    return placeOf(azure);
  }
  if (!azure) throw new Error('not started');
  const hub = azure.hub(names.hub);
  switch (order.do) {
    case 'fault':
      azure.faults.add(order.fault);
      return undefined;
    case 'clear':
      azure.faults.clear();
      return undefined;
    case 'message':
      hub.sendToDevice(order.deviceId, { body: Buffer.from('do it'), messageId: order.messageId });
      return azure.saved();
    case 'desired':
      hub.updateTwin(order.deviceId, { properties: { desired: { ...order.desired } } } as never, {
        mode: 'patch',
        precondition: undefined as never,
      });
      return azure.saved();
    case 'telemetry':
      return hub.telemetry.list(order.after).map(({ sequenceNumber, deviceId, body }): Arrival => ({
        sequence: sequenceNumber,
        deviceId,
        number: (JSON.parse(Buffer.from(body).toString()) as { number: number }).number,
      }));
    case 'twin':
      return hub.twinOf(order.deviceId)?.['properties'];
  }
}

function placeOf(started: AzureIotEmulator): AzurePlace {
  const { provisioningDeviceEndpoint: endpoint, trustedRootsPem } = started.cloud;
  return { idScope: started.dps(names.dps).idScope, endpoint, trustedRootsPem };
}
