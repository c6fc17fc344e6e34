import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { generate, parser } from 'mqtt-packet';
import type { TlsSite } from './tls-site.ts';

/** One answer: what stands in the topic, and the body. */
export interface DpsScriptAnswer {
  readonly status: number;
  /** As it stands in the topic. */
  readonly retryAfter?: string | number;
  readonly body?: object;
}

/** What a device has asked. */
export interface DpsScriptQuestion {
  readonly kind: 'register' | 'poll';
  /** Milliseconds of the clock that was given. */
  readonly atMs: number;
}

/** The DPS device API as far as a script goes: for what a real one can't be brought to say at will. */
export interface ScriptedDps {
  readonly endpoint: string;
  /** All that was asked, over all connections. */
  readonly questions: readonly DpsScriptQuestion[];
  close(): void;
}

export const assigning = { operationId: 'o', status: 'assigning' };

export const assignedTo = (assignedHub: string, deviceId: string): object => ({
  operationId: 'o',
  status: 'assigned',
  registrationState: { registrationId: deviceId, assignedHub, deviceId, status: 'assigned' },
});

/** @param answer - gets the number of the question, from 0 */
export async function startScriptedDps(
  site: TlsSite,
  answer: (number: number, question: DpsScriptQuestion) => DpsScriptAnswer,
  now: () => Date = () => new Date(),
): Promise<ScriptedDps> {
  const questions: DpsScriptQuestion[] = [];
  const server: Server = createServer(site, (socket) => {
    socket.setNoDelay(true);
    const reader = parser();
    const send = (packet: Parameters<typeof generate>[0]): void => void socket.write(generate(packet));
    reader.on('packet', (packet) => {
      if (packet.cmd === 'connect') send({ cmd: 'connack', returnCode: 0, sessionPresent: false });
      if (packet.cmd === 'subscribe') send({ cmd: 'suback', messageId: packet.messageId!, granted: [1] });
      if (packet.cmd !== 'publish') return;
      send({ cmd: 'puback', messageId: packet.messageId! });
      const kind = packet.topic.includes('/PUT/') ? 'register' : 'poll';
      const question: DpsScriptQuestion = { kind, atMs: now().getTime() };
      questions.push(question);
      const { status, retryAfter, body = {} } = answer(questions.length - 1, question);
      const rid = /\$rid=([^&]+)/.exec(packet.topic)?.[1] ?? '';
      const tail = retryAfter === undefined ? '' : `&retry-after=${retryAfter}`;
      const topic = `$dps/registrations/res/${status}/?$rid=${rid}${tail}`;
      send({ cmd: 'publish', topic, payload: JSON.stringify(body), qos: 0, dup: false, retain: false });
    });
    socket.on('data', (chunk: Buffer) => void reader.parse(chunk));
    socket.on('error', () => undefined);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return { endpoint: `localhost:${port}`, questions, close: () => void server.close() };
}
