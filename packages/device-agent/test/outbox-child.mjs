// An outbox that is filled without end. It says what it was promised, one message ID a line, when `add` has resolved; with a
// reader, it says what the hub has acknowledged before the outbox knows it. Arguments: folder, messages in a turn, `read`.
import { openStateStore } from '../dist/state/state-store.js';
import { Outbox } from '../dist/telemetry/outbox.js';

const [folder, inOneTurn, read] = process.argv.slice(2);
const outbox = new Outbox(openStateStore(folder, 'thermostat-1'));
// Its process number is on disk a turn later.
setImmediate(() => process.stdout.write('open\n'));
if (read) outbox.startReading();
let number = 0;
const fill = async () => {
  const run = `${process.pid}-`;
  const adding = Array.from({ length: Number(inOneTurn) }, async () => {
    const { messageId } = await outbox.add({ body: { number: (number += 1) }, messageId: run + number });
    process.stdout.write(`added ${messageId}\n`);
  });
  await Promise.all(adding);
  if (read) {
    for (const message of outbox.next(Number(inOneTurn) / 2, 1e6)) {
      process.stdout.write(`acknowledged ${message.messageId}\n`);
      outbox.acknowledge(message);
    }
  }
  setImmediate(() => void fill());
};
if (inOneTurn === '0') process.stdin.resume();
else void fill();
