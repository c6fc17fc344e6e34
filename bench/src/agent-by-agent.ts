import { DeviceAgent, exponentialBackoff, loadIdentity, type RetryPolicy } from '@contoso/device-agent';
import { firstBody, type Client, type Device, type Way } from './agent-way.ts';

/** Our agent as it comes: transport `auto`, outbox on, twin followed. */
export const byAgent = wayOf('@contoso/device-agent', {});

/** Without the random wait before the first try to come back, which spares hubs a storm: what the agent itself takes. */
export const byAgentAtOnce = wayOf('@contoso/device-agent, no wait', {
  retryPolicy: exponentialBackoff({ firstMs: 0 }),
});

function wayOf(name: string, options: { readonly retryPolicy?: RetryPolicy }): Way {
  const start = async (device: Device, stateFolder: string): Promise<Client> => {
    const { chainPem, privateKeyPem, idScope, endpoint, trustedRootsPem } = device;
    let hubName = '';
    const agent = new DeviceAgent({
      identity: await loadIdentity({ chainPem, privateKeyPem }),
      connectTo: { idScope, endpoint },
      stateFolder,
      trustedRootsPem,
      methods: { getReport: () => ({ status: 200 }) },
      onMessage: () => undefined,
      onDesired: () => undefined,
      onEvent: (event) => {
        if (event.type === 'connecting') hubName = event.hostName;
      },
      ...options,
    });
    const started = agent.start();
    await agent.send({ body: firstBody });
    await started;
    await agent.flush();
    return {
      hubName,
      send: async (body) => {
        await agent.send({ body: { ...body } });
      },
      acknowledged: () => agent.flush(),
      listen: () => Promise.resolve(),
      close: async () => {
        await agent.stop();
      },
    };
  };
  return { name, coldStart: start, warmStart: start };
}
