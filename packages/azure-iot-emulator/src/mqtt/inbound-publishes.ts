import type { IPublishPacket } from 'mqtt-packet';
import type { MqttSession } from './service.ts';

/** Unacknowledged packets of one client that are worked on at a time; above it the client's bytes stay unread. */
const mostUnderWay = 1000;

/** Options of {@link InboundPublishes}. */
export interface InboundPublishesOptions {
  readonly acknowledge: (messageId: number) => void;
  /** Ends the connection. */
  readonly onFailure: (reason: string) => void;
  /** Called when {@link InboundPublishes.areTooMany} may have changed. */
  readonly onChanged: () => void;
}

/** PUBLISH packets on their way from a client to its session, acknowledged in the order of arrival [MQTT-4.6.0-2]. */
export class InboundPublishes {
  readonly #sendAcknowledgement: InboundPublishesOptions['acknowledge'];
  readonly #onFailure: InboundPublishesOptions['onFailure'];
  readonly #onChanged: InboundPublishesOptions['onChanged'];
  #underWay = 0;
  /** Settles when every packet before has been worked off; undefined while none is under way. */
  #last: Promise<unknown> | undefined;

  constructor({ acknowledge, onFailure, onChanged }: InboundPublishesOptions) {
    this.#sendAcknowledgement = acknowledge;
    this.#onFailure = onFailure;
    this.#onChanged = onChanged;
  }

  get areTooMany(): boolean {
    return this.#underWay > mostUnderWay;
  }

  take(packet: IPublishPacket, session: MqttSession): void {
    const problem = problemOf(packet);
    if (problem !== undefined) {
      this.#onFailure(problem);
      return;
    }
    const { topic, qos, retain } = packet;
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    try {
      const done = session.publish({ topic, payload, qos, retain });
      if (done === undefined && this.#last === undefined) this.#acknowledge(packet);
      else this.#acknowledgeLater(packet, done);
    } catch (error) {
      this.#onFailure(messageOf(error));
    }
  }

  #acknowledgeLater(packet: IPublishPacket, done: Promise<void> | undefined): void {
    this.#underWay += 1;
    this.#last = Promise.all([done, this.#last]).then(
      () => {
        this.#underWay -= 1;
        if (this.#underWay === 0) this.#last = undefined;
        this.#acknowledge(packet);
        this.#onChanged();
      },
      (error: unknown) => this.#onFailure(messageOf(error)),
    );
    this.#onChanged();
  }

  #acknowledge({ qos, messageId }: IPublishPacket): void {
    if (qos === 1 && messageId !== undefined) this.#sendAcknowledgement(messageId);
  }
}

function problemOf({ qos, topic, messageId = 0 }: IPublishPacket): string | undefined {
  if (qos === 2) return 'QoS 2 is not supported';
  // mqtt-packet says -1 where there is none.
  if (qos === 1 && messageId < 1) return 'protocol error: PUBLISH without a packet identifier [MQTT-2.3.1-1]';
  if (topic.includes('#') || topic.includes('+')) {
    return 'protocol error: wildcard in the topic of a PUBLISH [MQTT-3.3.2-2]';
  }
  return undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
