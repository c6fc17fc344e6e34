import { setTimeout as delay } from 'node:timers/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import { firstBody, type Client, type Device, type Way } from './agent-way.ts';
import { bareConnect, type BareConnection } from './bare-sockets.ts';

/** The least that the wire asks for. */
export const bySockets: Way = {
  name: 'bare sockets',
  coldStart: async (device) => {
    const secureContext = secureContextOf(device);
    const { endpoint, idScope, registrationId } = device;
    const dps = await bareConnect({
      host: endpoint,
      clientId: registrationId,
      username: `${idScope}/registrations/${registrationId}/api-version=2019-03-31`,
      clean: true,
      secureContext,
    });
    const hubName = await register(dps, registrationId);
    dps.close();
    return connect(device, hubName, secureContext);
  },
  warmStart: (device, _stateFolder, hubName) => connect(device, hubName, secureContextOf(device)),
};

async function connect(
  { registrationId: deviceId }: Device,
  hubName: string,
  secureContext: SecureContext,
): Promise<Client> {
  const hub = await bareConnect({
    host: hubName,
    clientId: deviceId,
    username: `${hubName}/${deviceId}/?api-version=2021-04-12`,
    clean: false,
    secureContext,
  });
  const properties = '%24.ct=application%2Fjson&%24.ce=utf-8';
  const send = (body: object): Promise<void> =>
    hub.publish(
      `devices/${deviceId}/messages/events/%24.mid=${crypto.randomUUID()}&${properties}`,
      JSON.stringify(body),
    );
  await send(firstBody);
  return {
    hubName,
    send,
    acknowledged: () => Promise.resolve(),
    listen: async () => {
      for (const topic of [
        '$iothub/twin/res/#',
        '$iothub/twin/PATCH/properties/desired/#',
        '$iothub/methods/POST/#',
        `devices/${deviceId}/messages/devicebound/#`,
      ]) {
        await hub.subscribe(topic);
      }
    },
    close: () => {
      hub.close();
      return Promise.resolve();
    },
  };
}

function secureContextOf({ chainPem, privateKeyPem, trustedRootsPem }: Device): SecureContext {
  return createSecureContext({ cert: chainPem, key: privateKeyPem, ca: trustedRootsPem });
}

interface Answer {
  readonly operationId: string;
  readonly status: string;
  readonly registrationState?: { readonly assignedHub: string };
}

async function register(dps: BareConnection, registrationId: string): Promise<string> {
  await dps.subscribe('$dps/registrations/res/#');
  await dps.publish('$dps/registrations/PUT/iotdps-register/?$rid=1', JSON.stringify({ registrationId }));
  for (let rid = 2; ; rid += 1) {
    const { topic, payload } = await dps.received();
    const { operationId, status, registrationState } = JSON.parse(payload) as Answer;
    if (status === 'assigned' && registrationState) return registrationState.assignedHub;
    if (status !== 'assigning') throw new Error(`DPS answered ${payload}`);
    await delay(Number(/retry-after=(\d+)/.exec(topic)?.[1] ?? 0) * 1000);
    await dps.publish(`$dps/registrations/GET/iotdps-get-operationstatus/?$rid=${rid}&operationId=${operationId}`, ' ');
  }
}
