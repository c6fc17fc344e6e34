// A device that sends without end and says what it was promised: one message ID a line, printed when `send` has resolved.
import { DeviceAgent, loadIdentity, stopOnSignals } from '@contoso/device-agent';

const { chainPem, privateKeyPem, ...options } = JSON.parse(process.env.AGENT_OPTIONS);
const agent = new DeviceAgent({ ...options, identity: await loadIdentity({ chainPem, privateKeyPem }) });
stopOnSignals(agent, ({ undeliveredMessages }) => process.stdout.write(`stopped ${undeliveredMessages}\n`));
await agent.start();
process.stdout.write('started\n');
for (let number = 0; agent.state.status !== 'Closed'; number += 1) {
  const messageId = await agent.send({ body: { number } }).catch(() => undefined);
  if (messageId === undefined) break;
  process.stdout.write(`${messageId}\n`);
  await new Promise((resolve) => setImmediate(resolve));
}
