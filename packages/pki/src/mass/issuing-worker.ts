import type { KeyObject } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { DeviceIssuer, type IssuingJob } from './device-issuer.ts';

/** What a worker thread is started with. */
export interface IssuingWorkerData {
  key: KeyObject;
}

/** A job as it is posted: one text is copied in a fraction of the time that a thousand take. */
export type PostedJob = Omit<IssuingJob, 'registrationIds'> & { registrationIds: string };

const issuer = new DeviceIssuer((workerData as IssuingWorkerData).key);

// An error ends the thread, and the thread that started it hears of it.
parentPort?.on('message', ({ registrationIds, ...job }: PostedJob) => {
  void issuer
    .issue({ ...job, registrationIds: registrationIds.split('\n') })
    .then((batch) => parentPort?.postMessage(batch, [batch.octets.buffer]));
});
