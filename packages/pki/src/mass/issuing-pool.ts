import type { KeyObject } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { DeviceIssuer, type IssuingJob } from './device-issuer.ts';
import type { IssuedBatch } from './issued-batch.ts';
import type { IssuingWorkerData, PostedJob } from './issuing-worker.ts';

/** A batch that is to be signed; the pool has the memory for it. */
export type BatchOrder = Omit<IssuingJob, 'memory'>;

/**
 * Where batches are signed. Their memory goes round: garbage collection, which looks at what its own heap holds, would leave
 * dozens of megabytes of it lying about.
 */
export interface IssuingPool {
  issue(order: BatchOrder): Promise<IssuedBatch>;
  /** Takes back a batch's memory, and wipes it. Nobody may read the batch any more. */
  giveBack(batch: IssuedBatch): void;
  close(): Promise<void>;
}

/** In the thread that asks for it. */
export function createInlinePool(key: KeyObject): IssuingPool {
  const issuer = new DeviceIssuer(key);
  return createPool(
    (job) => issuer.issue(job),
    () => Promise.resolve(),
  );
}

/** In worker threads, each of which gets the line's key: a KeyObject, never its octets. */
export function createWorkerPool(key: KeyObject, threads: number): IssuingPool {
  const workers = Array.from({ length: threads }, () => new IssuingThread(key));
  return createPool(
    (job) => workers.reduce((least, worker) => (worker.load < least.load ? worker : least)).issue(job),
    async () => {
      await Promise.all(workers.map((worker) => worker.close()));
    },
  );
}

function createPool(issue: (job: IssuingJob) => Promise<IssuedBatch>, close: () => Promise<void>): IssuingPool {
  const free: Uint8Array<ArrayBuffer>[] = [];
  return {
    issue: (order) => issue({ ...order, memory: free.pop() }),
    giveBack: ({ octets }) => {
      octets.fill(0);
      free.push(octets);
    },
    close,
  };
}

interface Waiting {
  resolve: (batch: IssuedBatch) => void;
  reject: (error: Error) => void;
}

/**
 * Nothing outlives its device in an issuing thread, so that looking for what is dead more often costs nothing. V8's default is
 * to let 16 MiB of it gather, and with it the buffers that are outside of its heap.
 */
const resourceLimits = { maxYoungGenerationSizeMb: 3 };

/** One thread and the batches that it has been given; it answers in their order. */
class IssuingThread {
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  #failure: Error | undefined;

  constructor(key: KeyObject) {
    const workerData: IssuingWorkerData = { key };
    this.#worker = new Worker(new URL('./issuing-worker.js', import.meta.url), { workerData, resourceLimits });
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
      const posted: PostedJob = { ...job, registrationIds: job.registrationIds.join('\n') };
      this.#worker.postMessage(posted, job.memory ? [job.memory.buffer] : []);
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
