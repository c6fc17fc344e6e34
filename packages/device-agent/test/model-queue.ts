import type { Inbox } from '../src/messages/inbox.ts';

/** A message that a back end has sent. */
export interface Sent {
  /** Undefined where the back end set none. */
  readonly messageId?: string | undefined;
  readonly text: string;
}

interface Queued extends Sent {
  readonly packetId: number;
  wasDelivered: boolean;
}

/** A device's queue of cloud-to-device messages in a hub, for tests that need thousands of faults. */
export class ModelQueue {
  readonly queue: Queued[] = [];
  /** Acknowledgements that came in another order than the messages went out. */
  outOfOrder = 0;
  /** The connection breaks under the next acknowledgement. */
  losesNextAcknowledgement = false;
  #lastPacketId = 0;
  #session: { readonly inbox: Inbox; readonly waiting: Queued[]; takesAcknowledgements: boolean } | undefined;

  send(sent: Sent): void {
    this.#lastPacketId += 1;
    const queued = { ...sent, packetId: this.#lastPacketId, wasDelivered: false };
    this.queue.push(queued);
    this.#deliver(queued);
  }

  connect(inbox: Inbox): void {
    this.#session = { inbox, waiting: [], takesAcknowledgements: true };
    for (const queued of [...this.queue]) this.#deliver(queued);
  }

  disconnect(): void {
    this.#session = undefined;
  }

  #deliver(queued: Queued): void {
    const session = this.#session;
    if (!session?.takesAcknowledgements) return;
    session.waiting.push(queued);
    const { messageId, text, packetId, wasDelivered } = queued;
    queued.wasDelivered = true;
    const id = messageId === undefined ? '' : `%24.mid=${messageId}&`;
    session.inbox.receive({
      topic: `devices/d/messages/devicebound/${id}%24.to=%2Fdevices%2Fd%2Fmessages%2Fdevicebound`,
      body: Buffer.from(text),
      packetId,
      isRedelivery: wasDelivered,
      acknowledge: () => {
        if (this.#session !== session || !session.takesAcknowledgements) return;
        if (session.waiting.shift() !== queued) this.outOfOrder += 1;
        if (this.losesNextAcknowledgement) session.takesAcknowledgements = false;
        else this.queue.splice(this.queue.indexOf(queued), 1);
        this.losesNextAcknowledgement = false;
      },
    });
  }
}
