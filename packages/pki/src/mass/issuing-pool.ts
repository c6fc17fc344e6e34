import type { KeyObject } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { DeviceIssuer, type IssuingJob } from './device-issuer.ts';
import type { IssuedBatch } from './issued-batch.ts';
import type { IssuingWorkerData, PostedJob } from './issuing-worker.ts';

/** Where batches are signed. */
export interface IssuingPool {
  issue(job: IssuingJob): Promise<IssuedBatch>;
  close(): Promise<void>;
}

/** In the thread that asks for it. */
export function createInlinePool(key: KeyObject): IssuingPool {
  const issuer = new DeviceIssuer(key);
  return { issue: (job) => issuer.issue(job), close: () => Promise.resolve() };
}

/** In worker threads, each of which gets the line's key: a KeyObject, never its octets. */
export function createWorkerPool(key: KeyObject, threads: number): IssuingPool {
  const workers = Array.from({ length: threads }, () => new IssuingThread(key));
  return {
    issue: (job) => workers.reduce((least, worker) => (worker.load < least.load ? worker : least)).issue(job),
    close: async () => {
      await Promise.all(workers.map((worker) => worker.close()));
    },
  };
}

interface Waiting {
  resolve: (batch: IssuedBatch) => void;
  reject: (error: Error) => void;
}

/** One thread and the batches that it has been given; it answers in their order. */
class IssuingThread {
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  #failure: Error | undefined;

  constructor(key: KeyObject) {
    const workerData: IssuingWorkerData = { key };
    this.#worker = new Worker(new URL('./issuing-worker.js', import.meta.url), { workerData });
    this.#worker.on('message', (batch: IssuedBatch) => this.#waiting.shift()?.resolve(batch));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', (code) => this.#fail(new Error(`An issuing thread ended with exit code ${code}.`)));
  }

  get load(): number {
    return this.#waiting.length;
  }

  issue(job: IssuingJob): Promise<IssuedBatch> {
    return new Promise((resolve, reject) => {
      if (this.#failure) {
        reject(this.#failure);
        return;
      }
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage({ ...job, registrationIds: job.registrationIds.join('\n') } satisfies PostedJob);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}
