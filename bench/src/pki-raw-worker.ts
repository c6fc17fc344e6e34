import { workerData } from 'node:worker_threads';
import { issueRaw, type RawMaterial } from './pki-raw.ts';

const { count, ...material } = workerData as RawMaterial & { count: number };
issueRaw(material, count);
