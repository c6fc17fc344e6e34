// A process with a real environment, in which OpenSSL's engine finds its module: jest gives a test only a copy of it.
import { DeviceAgent, loadIdentity } from '@contoso/device-agent';

const { identity: source, agent: agentOptions } = JSON.parse(process.env.TOKEN_TASK);
const tell = (answer) => process.stdout.write(JSON.stringify(answer));
try {
  const identity = await loadIdentity(source);
  if (agentOptions !== undefined) {
    const agent = new DeviceAgent({ ...agentOptions, identity });
    await agent.start();
    await agent.send({ body: { from: 'token' } });
    await agent.flush();
    await agent.stop();
  }
  tell({ identity });
} catch ({ code, message, advice, certificate }) {
  tell({ error: { code, message, advice, certificate } });
}
