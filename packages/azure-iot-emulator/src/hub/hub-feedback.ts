import type { Shelf } from '../data/shelf.ts';
import type { StartTimer } from '../mqtt/timer.ts';
import { type FeedbackRecord, type MessageOutcome, type QueuedMessage, wantsFeedback } from './cloud-to-device.ts';
import { FeedbackEndpoint } from './feedback-endpoint.ts';
import type { ClientIdentity } from './hub-client.ts';
import { RecordLog } from './record-log.ts';

/** What is kept for readers; the oldest goes first. */
const bounds = { mostRecords: 10_000, mostBytes: Infinity, sizeOf: () => 0 };

/** Options of {@link HubFeedback}. */
export interface HubFeedbackOptions {
  readonly now: () => number;
  readonly newLockToken: () => string;
  /** Of readers that wait. */
  readonly startTimer: StartTimer;
  readonly shelf: Shelf;
}

/** What became of cloud-to-device messages whose senders asked. */
export class HubFeedback {
  /** The newest 10,000. */
  readonly log: RecordLog<FeedbackRecord>;
  /** The same, as back ends fetch it: in batches, under a lock. */
  readonly endpoint: FeedbackEndpoint;
  readonly #now: () => number;

  constructor({ now, newLockToken, startTimer, shelf }: HubFeedbackOptions) {
    this.#now = now;
    this.log = new RecordLog({ ...bounds, startTimer, shelf: shelf.shelf('feedback') });
    this.endpoint = new FeedbackEndpoint({ now, newLockToken, shelf: shelf.shelf('feedbackEndpoint') });
  }

  add(identity: ClientIdentity, message: QueuedMessage, statusCode: MessageOutcome): void {
    if (!wantsFeedback(message.request.ack, statusCode)) return;
    const { deviceId, moduleId, generationId: deviceGenerationId } = identity;
    const record = this.log.append((sequenceNumber) => ({
      sequenceNumber,
      originalMessageId: message.messageId,
      enqueuedTimeMs: this.#now(),
      statusCode,
      description: statusCode,
      deviceId,
      ...(moduleId !== undefined && { moduleId }),
      deviceGenerationId,
    }));
    this.endpoint.add(record);
  }
}
