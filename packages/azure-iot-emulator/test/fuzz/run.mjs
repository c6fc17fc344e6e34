// Mutates recorded sessions and plays them against the emulator: `npm run fuzz -- --cases N --seed S [--only CASE]`.
// Prints progress on standard error and one line of JSON at the end; exits with 1 where the emulator failed.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { generate, parser } from 'mqtt-packet';
import { mutate } from './mutation.mjs';
import { playTls } from './tls-session.mjs';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
    only: { type: 'string' },
    lanes: { type: 'string', default: '64' },
  },
});
const [cases, seed, lanes] = [values.cases, values.seed, values.lanes].map(Number);
const checkEvery = Math.max(250, Math.min(2000, Math.floor(cases / 10)));
const caseTimeoutMs = 30_000;
/** How long a patient client waits for more before it goes on. */
const quietMs = 15;

const child = fork(fileURLToPath(new URL('emulator.mjs', import.meta.url)), [], { execArgv: ['--expose-gc'] });
let hasEnded = false;
child.once('exit', () => {
  hasEnded = true;
});
const [azure] = await once(child, 'message');
const sessions = readSessions();

/** Sessions as recorded, with this run's identities in place of the recording's. */
function readSessions() {
  const folder = fileURLToPath(new URL('recordings/', import.meta.url));
  const { authorizations, subscription, tenant, idScope } = azure;
  return readdirSync(folder)
    .sort()
    .map((file) => JSON.parse(readFileSync(`${folder}${file}`, 'utf8')))
    .map(({ chunks }) =>
      chunks.map((chunk) =>
        Buffer.from(
          Buffer.from(chunk, 'base64')
            .toString('latin1')
            .replaceAll('{{management}}', authorizations.management)
            .replaceAll('{{hub}}', authorizations.hub)
            .replaceAll('{{dps}}', authorizations.dps)
            .replaceAll('{{subscription}}', subscription)
            .replaceAll('{{tenant}}', tenant)
            .replaceAll('{{idScope}}', idScope)
            .replaceAll('0neSCOPE000', idScope),
          'latin1',
        ),
      ),
    );
}

/**
 * Sends a case and says goodbye: at once without reading, at once with reading, or when the emulator has nothing more to
 * say, as clients do that wait for each answer. Resolves when the connection is gone.
 */
function play(number) {
  // One case in twenty-five is a TLS session whose bytes change on their way, one in fifty something else than TLS.
  if (number % 25 === 12) return playTls({ azure, seed, number, timeoutMs: caseTimeoutMs });
  const { chunks, ending } = mutate(sessions, seed, number);
  const port = number % 50 === 49 ? azure.tlsPort : azure.port;
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`case ${number}: the connection is open ${caseTimeoutMs / 1000} s after the client's end`));
    }, caseTimeoutMs);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.on('connect', () => void send(socket, chunks, ending));
  });
}

async function send(socket, chunks, ending) {
  if (ending !== 'break') socket.resume();
  for (const [index, chunk] of chunks.entries()) {
    socket.write(chunk);
    // Only the first answers are waited for: CONNACK, the WebSocket's upgrade, the first reply.
    if (ending === 'patient' && index < 3) await quiet(socket);
  }
  if (ending === 'patient') await quiet(socket);
  if (ending === 'break') socket.write('', () => socket.destroy());
  else socket.end();
}

/** Resolves when the emulator has answered, or said nothing for a while, or closed the connection. */
function quiet(socket) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, quietMs);
    function done() {
      clearTimeout(timer);
      socket.off('data', done);
      socket.off('close', done);
      resolve();
    }
    socket.once('data', done);
    socket.once('close', done);
  });
}

/** A good device over real mutual TLS: CONNECT, one message, its acknowledgement. */
async function serveGoodClient() {
  const { hubHost, tlsPort, ca, device } = azure;
  const socket = connectTls({ host: '127.0.0.1', port: tlsPort, servername: 'localhost', ca, ...device });
  const packets = parser();
  socket.on('data', (chunk) => packets.parse(chunk));
  const next = async () => (await once(packets, 'packet'))[0];
  const failed = once(socket, 'close').then(() => Promise.reject(new Error('a good client was disconnected')));
  failed.catch(() => undefined);
  const clientId = 'fuzz-device';
  const username = `${hubHost}/${clientId}/?api-version=2021-04-12`;
  socket.write(
    generate({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: true,
      clientId,
      username,
      keepalive: 60,
    }),
  );
  const connack = await Promise.race([next(), failed]);
  if (connack.returnCode !== 0) throw new Error(`a good client was refused with ${connack.returnCode}`);
  socket.write(
    generate({ cmd: 'publish', topic: `devices/${clientId}/messages/events/`, payload: 'good', qos: 1, messageId: 7 }),
  );
  for (let packet = await Promise.race([next(), failed]); packet.cmd !== 'puback';)
    packet = await Promise.race([next(), failed]);
  socket.destroy();
}

async function measure() {
  child.send('measure');
  const [state] = await once(child, 'message');
  if (state.failures.length > 0) throw new Error(state.failures[0]);
  return state;
}

/** The emulator notices the end of a connection a moment after its client. */
async function settle(baseline) {
  for (let tries = 0; ; tries += 1) {
    const state = await measure();
    if (state.sockets <= baseline.sockets && state.timers <= baseline.timers + 2) return state;
    if (tries === 100) throw new Error(`sockets or timers are left behind: ${JSON.stringify({ baseline, state })}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const states = [];
let current = 0;
async function run() {
  await serveGoodClient();
  const baseline = await measure();
  const numbers =
    values.only === undefined ? { first: 0, end: cases } : { first: Number(values.only), end: Number(values.only) + 1 };
  for (current = numbers.first; current < numbers.end;) {
    const end = Math.min(numbers.end, current + checkEvery);
    await Promise.all(
      Array.from({ length: lanes }, async () => {
        while (current < end && !hasEnded) await play(current++);
      }),
    );
    if (hasEnded) throw new Error('the emulator ended');
    await serveGoodClient();
    states.push({ cases: current, ...(await settle(baseline)) });
    const { heapMiB, residentMiB, sockets, timers, accepted } = states.at(-1);
    process.stderr.write(
      `fuzz seed ${seed}: ${current} of ${numbers.end}; heap ${heapMiB.toFixed(1)} MiB, resident ${residentMiB.toFixed(0)} MiB, ${sockets} sockets, ${timers} timers, ${accepted} messages accepted\n`,
    );
  }
}

let failure;
try {
  await run();
} catch (error) {
  const again = `npm run fuzz -- --seed ${seed} --cases ${cases}`;
  failure = `${error.message}\nat about case ${current} of seed ${seed}; again: ${again} (one case: --only CASE)`;
}
const half = states[Math.floor(states.length / 2)];
const growthMiB = half && Number((states.at(-1).heapMiB - half.heapMiB).toFixed(1));
process.stdout.write(`${JSON.stringify({ seed, cases: current, growthMiB, last: states.at(-1), failure })}\n`);
process.exitCode = failure === undefined ? 0 : 1;
if (child.connected) child.disconnect();
