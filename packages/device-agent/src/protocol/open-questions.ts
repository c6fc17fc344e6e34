import type { Clock } from '../clock.ts';
import { answerTimeoutMs, timedOut } from './answer-timeout.ts';

interface Waiting<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** Requests of one connection whose answers come as messages of their own, by request ID. */
export class OpenQuestions<Answer> {
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Waiting<Answer>>();
  #end: Error | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many wait for their answer. */
  get count(): number {
    return this.#waiting.size;
  }

  /**
   * Sends, and resolves with the answer, which may come before `send` is through.
   *
   * @param what - the answer, for the time-out's text
   * @throws {ConnectionError} of kind `timeout`: none within 30 s. @throws what `send` rejects with, and what `end` was given
   */
  async ask(requestId: string, what: string, send: () => Promise<void>): Promise<Answer> {
    if (this.#end) throw this.#end;
    const over = new AbortController();
    const answered = new Promise<Answer>((resolve, reject) => {
      this.#waiting.set(requestId, { resolve, reject });
    });
    // Where sending fails as well, that is what is awaited.
    answered.catch(() => undefined);
    try {
      await send();
      this.#clock.delay(answerTimeoutMs, over.signal).then(
        () => this.#waiting.get(requestId)?.reject(timedOut(what)),
        () => undefined,
      );
      return await answered;
    } finally {
      over.abort();
      this.#waiting.delete(requestId);
    }
  }

  /** One that nobody waits for (any more) is nothing. */
  answer(requestId: string, answer: Answer): void {
    this.#waiting.get(requestId)?.resolve(answer);
  }

  /** The connection has ended: no answer comes any more. */
  end(reason: Error): void {
    this.#end = reason;
    for (const { reject } of this.#waiting.values()) reject(reason);
  }
}
