import type { BatchOptions } from './batch.ts';

/** How much telemetry waits on disk, how long, and in what shape it goes. The limits hold for each device. */
export interface OutboxOptions {
  /** Bytes that may wait: each message as the hub counts it, and 100 for its row. Default 64 MiB. */
  readonly maxBytes?: number;
  /** Milliseconds of running after which a message that still waits is dropped, however the clock is set. Default seven days. */
  readonly maxAgeMs?: number;
  /**
   * What goes where there is no room: the oldest (default), the new one (`send` rejects with ERR_AGENT_OUTBOX_FULL), or the
   * oldest of the lowest priority, which may be the new one. A message on its way to the hub is never dropped.
   */
  readonly whenFull?: 'drop-oldest' | 'drop-newest' | 'drop-lowest-priority';
  /** Bodies above it, and batches, go as gzip (content encoding `gzip`). Default: none does. */
  readonly compressAboveBytes?: number;
  /** Several JSON messages in one. Default: each goes by itself. */
  readonly batch?: BatchOptions;
}

/** What became of telemetry. */
export type OutboxEvent =
  | { readonly type: 'telemetry-acknowledged'; readonly messageId: string }
  /** One hub message, which may be a batch, was on the wire: acknowledged, or (with `error`) to be sent again. */
  | {
      readonly type: 'telemetry-published';
      /** The hub message's; a batch has one of its own. */
      readonly messageId: string;
      /** Messages in it; 1 where it is no batch. */
      readonly count: number;
      /** Size as the hub counts it. */
      readonly bytes: number;
      /** Application properties; those of a batch are common to all messages in it. */
      readonly properties: Readonly<Record<string, string>>;
      /** From PUBLISH to PUBACK, or to the end of the wait for it; milliseconds. */
      readonly durationMs: number;
      readonly error?: unknown;
    }
  /** The connection is lost or the agent stops, and so much waits on disk for the next one. */
  | { readonly type: 'telemetry-kept'; readonly count: number; readonly bytes: number }
  /** Gone for good: older than `maxAgeMs`, or there was no room. */
  | {
      readonly type: 'telemetry-dropped';
      readonly reason: 'age' | 'full';
      readonly count: number;
      readonly messageIds: readonly string[];
    };
