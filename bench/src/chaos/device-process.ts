import { join } from 'node:path';
import {
  DeviceAgent,
  DeviceAgentError,
  loadIdentity,
  systemClock,
  type Clock,
  type CloudToDeviceMessage,
  type DesiredChange,
} from '@contoso/device-agent';
import { Journal } from './journal.ts';
import type { DeviceOptions, DeviceReport, DeviceOrder } from './device-orders.ts';

// A device of the chaos run: it sends numbers, one after the other, and writes down what it was told to do.

/** So many numbers are taken at a time, so that not each costs an fsync; what is left of them at a kill is never sent. */
const block = 100;

const report = (message: DeviceReport): void => {
  if (process.connected) process.send?.(message);
};

process.once('message', (options: DeviceOptions) => void run(options));

async function run(options: DeviceOptions): Promise<void> {
  const { registrationId, chainPem, privateKeyPem, connectTo, stateFolder, trustedRootsPem, fleet } = options;
  const journal = (name: string): Journal => new Journal(join(options.journalFolder, `${registrationId}.${name}`));
  const messages = journal('messages');
  const changes = journal('desired');
  const agent = new DeviceAgent({
    identity: await loadIdentity({ chainPem, privateKeyPem }),
    connectTo,
    stateFolder,
    trustedRootsPem,
    clock: fastClock(options),
    fleet,
    onMessage: ({ messageId = '' }: CloudToDeviceMessage, context?: { readonly isRepeated?: boolean }) => {
      // Only a message that the agent says may have been handled is looked up.
      if (context?.isRepeated === true) {
        report({ type: 'handed-over-again' });
        if (messages.has(messageId)) return;
      }
      messages.append(messageId);
    },
    onDesired: ({ version, properties }: DesiredChange) => {
      changes.append(JSON.stringify({ version, properties }));
      return {};
    },
    onEvent: (event) => {
      if (event.type === 'status') report({ type: 'status', status: event.state.status });
      if (event.type === 'provisioning') report({ type: 'provisioning' });
    },
  });
  let isSending = true;
  process.on('message', (order: DeviceOrder) => {
    isSending = false;
    if (order === 'finish') void agent.flush().then(() => report({ type: 'flushed' }));
    else void agent.stop().then(leave);
  });
  void agent.finished.then((error) => {
    if (error) end(error);
  });
  agent.start().catch(end);
  await sendNumbers(agent, journal('numbers'), { intervalMs: options.intervalMs, isSending: () => isSending });
}

async function sendNumbers(
  agent: DeviceAgent,
  taken: Journal,
  { intervalMs, isSending }: { readonly intervalMs: number; readonly isSending: () => boolean },
): Promise<void> {
  let next = Number(taken.last ?? 0);
  while (isSending()) {
    if (next % block === 0) taken.append(String(next + block));
    const number = next;
    next += 1;
    try {
      await agent.send({ body: { number } });
      report({ type: 'promised', number });
    } catch (error) {
      if (isSending())
        report({ type: 'not-taken', code: error instanceof DeviceAgentError ? error.code : String(error) });
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}

/** Time goes by faster for the agent: its waits, its time-outs and its keep-alive. */
function fastClock({ speed, beganMs }: DeviceOptions): Clock {
  return {
    now: () => new Date(beganMs + (Date.now() - beganMs) * speed),
    delay: (milliseconds, signal) => systemClock.delay(milliseconds / speed, signal),
  };
}

function end(error: unknown): void {
  report({ type: 'ended', error: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
  leave();
}

function leave(): void {
  if (process.connected) process.disconnect();
}
