import type { KeyObject } from 'node:crypto';
import { workerData } from 'node:worker_threads';
import { rawIssuing } from './pki-ways.ts';

const { key, toBeSigned, count } = workerData as { key: KeyObject; toBeSigned: Uint8Array; count: number };
await rawIssuing({ key, toBeSigned: Buffer.from(toBeSigned) })(count);
