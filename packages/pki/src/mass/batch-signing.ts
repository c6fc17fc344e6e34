import type { KeyObject } from 'node:crypto';
import type { CertificateAuthority } from '../authority.ts';
import { issueDeviceCertificate, signDevice } from '../device-certificate.ts';
import { PkiError } from '../errors.ts';
import type { KeyAlgorithm } from '../key-algorithm.ts';
import { keyIdentifier } from '../key-identifier.ts';
import { parsePrivateKey, publicKeyToDer } from '../private-key.ts';
import { readRequest } from '../request-signature.ts';
import { isSoftwareKey } from '../signing-key.ts';
import { BatchedCredential, BatchedDevice, isIssued, type BatchTerms } from './batched-device.ts';
import { createDeviceTemplate, type DeviceTemplate } from './device-template.ts';
import type { IssuedBatch, SlotLayout } from './issued-batch.ts';
import { ordinaryCredential, ordinaryDevice, wipeKey, type IssuedDevice } from './issued-device.ts';
import { packRequests, type RequestBatch } from './request-batch.ts';
import { createInlinePool, createWorkerPool, type IssuingPool } from './issuing-pool.ts';
import { serialNumberPrefix } from '../serial-number.ts';
import type { PlannedDevice, PlannedRequest } from './source-batches.ts';

/** What comes out for one planned device. */
export type SignedDevice = { plan: PlannedDevice } & ({ device: IssuedDevice } | { error: PkiError });

/** Planned devices that have been signed, still in the memory of their batch. */
export interface SignedBatch {
  /**
   * To be called once, when their turn has come: each device gets octets of its own, and the batch's memory goes back. Objects
   * that have waited are old to V8, which collects those, and all that hangs on them, late.
   *
   * @returns in the order of the source
   */
  unpack(): SignedDevice[];
  /** In the place of that, where nobody wants them any more. */
  wipe(): void;
}

/** How the devices of a run are signed. */
export interface SigningTerms {
  line: CertificateAuthority;
  keyAlgorithm: KeyAlgorithm;
  validityDays: number | undefined;
  threads: number;
  now: () => Date;
}

/** Signatures asked for at one time from a key that is elsewhere, or for keys of another kind. */
const ordinaryInFlight = 16;

/** A template holds the validity, so it doesn't grow old. */
const templateAgeMs = 60_000;

type CommonDevice = PlannedDevice & { request: Extract<PlannedRequest, { kind: 'common' }> };

/** Signs batches: by template and in worker threads where line and devices allow it, else as a single device is. */
export class BatchSigning {
  readonly #terms: SigningTerms;
  /** The line's key, where it is in this process's memory. */
  readonly #key: KeyObject | undefined;
  #inline: IssuingPool | undefined;
  #workers: IssuingPool | undefined;
  #template: Promise<DeviceTemplate> | undefined;
  #templateMadeAt = 0;

  constructor(terms: SigningTerms) {
    this.#terms = terms;
    this.#key = isSoftwareKey(terms.line.key) ? terms.line.key.keyObject : undefined;
  }

  /** Whether requests of the common kind are checked and signed by template. */
  get withTemplate(): boolean {
    return this.#key !== undefined;
  }

  /** @param isMore - more batches follow, so that worker threads are worth their start */
  async sign(devices: readonly PlannedDevice[], isMore: boolean): Promise<SignedBatch> {
    const pool = this.#poolFor(isMore);
    const makesKeys = pool && this.#terms.keyAlgorithm === 'P-256';
    const common = devices.filter((device): device is CommonDevice => device.request?.kind === 'common');
    const keyless = devices.filter(({ request }) => !request);
    const ordinary = devices.filter(({ request }) => (request ? request.kind === 'checked' : !makesKeys));
    const signing = [
      ...(pool && common.length > 0 ? [this.#signCommon(pool, common)] : []),
      ...(makesKeys && keyless.length > 0 ? [this.#makeDevices(pool, keyless)] : []),
      ...(ordinary.length > 0 ? [this.#signOrdinary(ordinary)] : []),
    ];
    const parts: SignedBatch[] = [];
    const wipe = (): void => parts.forEach((part) => part.wipe());
    await allOrWiped(
      signing.map(async (part) => parts.push(await part)),
      wipe,
    );
    // Nearly always all devices of a batch are of one kind, and then in their order already.
    return parts.length === 1 && parts[0]
      ? parts[0]
      : { unpack: () => parts.flatMap((part) => part.unpack()).sort(byPlace), wipe };
  }

  async close(): Promise<void> {
    await this.#workers?.close();
  }

  #poolFor(isMore: boolean): IssuingPool | undefined {
    if (!this.#key) return undefined;
    if (this.#terms.threads > 0 && isMore) this.#workers ??= createWorkerPool(this.#key, this.#terms.threads);
    return this.#workers ?? (this.#inline ??= createInlinePool(this.#key));
  }

  async #makeDevices(pool: IssuingPool, devices: readonly PlannedDevice[]): Promise<SignedBatch> {
    const { batch, memory, layout, terms } = await this.#issue(pool, devices, undefined);
    return unpacking(pool, batch, () =>
      devices.map((plan, index) => ({
        plan,
        device: new BatchedCredential(plan.registrationId, { memory, layout, index }, terms),
      })),
    );
  }

  async #signCommon(pool: IssuingPool, devices: readonly CommonDevice[]): Promise<SignedBatch> {
    const requests = packRequests(devices.map(({ request }) => request));
    const { batch, memory, layout, terms } = await this.#issue(pool, devices, requests);
    const others = new Map<number, SignedDevice>();
    for (const [index, plan] of devices.entries()) {
      if (!isIssued({ memory, layout, index }))
        others.set(index, await this.#attempt(plan, () => this.#signAnew(plan)));
    }
    return unpacking(pool, batch, () =>
      devices.map(
        (plan, index) =>
          others.get(index) ?? {
            plan,
            device: new BatchedDevice(plan.registrationId, { memory, layout, index }, terms),
          },
      ),
    );
  }

  async #issue(
    pool: IssuingPool,
    devices: readonly PlannedDevice[],
    requests: RequestBatch | undefined,
  ): Promise<{ batch: IssuedBatch; memory: Buffer; layout: SlotLayout; terms: BatchTerms }> {
    const template = await this.#freshTemplate();
    const registrationIds = devices.map(({ registrationId }) => registrationId);
    const serialPrefix = serialNumberPrefix(this.#terms.now());
    const batch = await pool.issue({ template, serialPrefix, registrationIds, requests });
    const { notBefore, notAfter } = template;
    return {
      batch,
      memory: Buffer.from(batch.octets.buffer),
      layout: batch.layout,
      terms: { line: this.#terms.line, notBefore: new Date(notBefore), notAfter: new Date(notAfter) },
    };
  }

  #freshTemplate(): Promise<DeviceTemplate> {
    const now = this.#terms.now();
    const isFresh = this.#template && Math.abs(now.getTime() - this.#templateMadeAt) < templateAgeMs;
    if (!isFresh) {
      this.#templateMadeAt = now.getTime();
      this.#template = createDeviceTemplate(this.#terms.line, { ...this.#validity(), now });
    }
    return this.#template as Promise<DeviceTemplate>;
  }

  /** A worker says that the signature is wrong; the ordinary path says it in words. */
  async #signAnew({ request }: CommonDevice): Promise<IssuedDevice> {
    const { commonName, publicKeyDer } = await readRequest(request.csr, () => undefined);
    return this.#signKey(commonName, publicKeyDer);
  }

  async #signOrdinary(devices: readonly PlannedDevice[]): Promise<SignedBatch> {
    const signed: SignedDevice[] = [];
    const waiting = oneByOne(devices);
    const work = async (): Promise<void> => {
      for (const plan of waiting) signed.push(await this.#attempt(plan, () => this.#signOne(plan)));
    };
    const wipe = (): void => {
      for (const one of signed) if ('device' in one) wipeKey(one.device);
    };
    await allOrWiped(Array.from({ length: ordinaryInFlight }, work), wipe);
    return { unpack: () => signed.sort(byPlace), wipe };
  }

  async #signOne({ registrationId, request }: PlannedDevice): Promise<IssuedDevice> {
    if (request?.kind === 'checked') return this.#signKey(registrationId, request.publicKeyDer);
    const { line, keyAlgorithm, now } = this.#terms;
    const options = { registrationId, keyAlgorithm, ...this.#validity(), now: now() };
    const credential = await issueDeviceCertificate(line, options);
    return ordinaryCredential(credential, keyIdentifier(publicKeyToDer(parsePrivateKey(credential.privateKeyPem))));
  }

  async #signKey(registrationId: string, publicKeyDer: Uint8Array): Promise<IssuedDevice> {
    const options = { registrationId, publicKeyDer, ...this.#validity(), now: this.#terms.now() };
    return ordinaryDevice(await signDevice(this.#terms.line, options), keyIdentifier(publicKeyDer));
  }

  /** A refusal is this device's alone; the line's trouble is everybody's. */
  async #attempt(plan: PlannedDevice, sign: () => Promise<IssuedDevice>): Promise<SignedDevice> {
    try {
      return { plan, device: await sign() };
    } catch (error) {
      if (error instanceof PkiError && error.code.startsWith('ERR_PKI_CSR_')) return { plan, error };
      throw error;
    }
  }

  #validity(): { validityDays?: number } {
    const { validityDays } = this.#terms;
    return validityDays === undefined ? {} : { validityDays };
  }
}

/** For several loops at once: unlike an array's own iterator, this one ends for all of them when one is left with an error. */
function* oneByOne<T>(items: readonly T[]): Generator<T> {
  yield* items;
}

/** As Promise.all, which would throw while other keys are still being made: it waits for those, and wipes what there is. */
async function allOrWiped(making: readonly Promise<unknown>[], wipe: () => void): Promise<void> {
  for (const ended of await Promise.allSettled(making)) {
    if (ended.status === 'fulfilled') continue;
    wipe();
    throw ended.reason;
  }
}

function byPlace(a: SignedDevice, b: SignedDevice): number {
  return a.plan.index - b.plan.index;
}

function unpacking(pool: IssuingPool, batch: IssuedBatch, read: () => SignedDevice[]): SignedBatch {
  return {
    unpack: () => {
      const signed = read();
      pool.giveBack(batch);
      return signed;
    },
    wipe: () => pool.giveBack(batch),
  };
}
