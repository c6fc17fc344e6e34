import { availableParallelism, hostname } from 'node:os';
import { PkiError } from '../errors.ts';
import { toRanges, type CertificateRecord, type IdRange, type NewCertificate } from '../inventory/record.ts';
import { keyReused } from '../inventory/device-key.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { InventoryChanges, Responsible } from '../inventory/recording.ts';
import type { StationClaim } from '../inventory/station-claims.ts';
import { admit, type AdmissionRules } from './admission.ts';
import { BatchSigning, type SignedBatch } from './batch-signing.ts';
import { keyIdentifier } from '../key-identifier.ts';
import { wipeKey, type IssuedDevice } from './issued-device.ts';
import type { IssueManyOptions, RefusedItem } from './mass-order.ts';
import { ProgressCount } from './progress-count.ts';
import { DevicesUnderWay, type WrittenBatch } from './devices-under-way.ts';
import { readBatches, type PlannedDevice, type SourceItem } from './source-batches.ts';
import { keyIn, readStanding, type Standing } from './standing.ts';

/** One call of issueMany. */
export class MassRun {
  readonly #options: IssueManyOptions;
  readonly #signing: BatchSigning;
  readonly #rules: AdmissionRules;
  readonly #lineKeyIdentifier: string;
  readonly #progress: ProgressCount;
  readonly #claim: StationClaim | undefined;
  readonly #underWay = new DevicesUnderWay();

  static async start(options: IssueManyOptions): Promise<MassRun> {
    const { inventory, station = hostname().slice(0, 64) } = options;
    if (inventory && typeof options.orderedBy !== 'string') {
      throw new TypeError('orderedBy must be a string: the inventory holds on whose order a certificate was issued.');
    }
    checkCount('batchSize', options.batchSize, 1);
    checkCount('threads', options.threads, 0);
    const run = new MassRun({ ...options, station }, await inventory?.claimStation(station));
    try {
      await run.#recover();
      return run;
    } catch (error) {
      await run.end();
      throw error;
    }
  }

  private constructor(options: IssueManyOptions & { station: string }, claim?: StationClaim) {
    const { line, keyAlgorithm = 'P-256', validityDays, threads = availableParallelism(), total } = options;
    const { station, renewEndingBefore, reissueRevoked = false, now = () => new Date() } = options;
    this.#options = options;
    this.#lineKeyIdentifier = keyIdentifier(line.key.publicKeyDer);
    this.#rules = { station, renewEndingBefore, reissueRevoked };
    this.#signing = new BatchSigning({ line, keyAlgorithm, validityDays, threads, now });
    this.#progress = new ProgressCount(total);
    this.#claim = claim;
  }

  /** Signs ahead as far as the threads can keep busy, and no further. */
  async *batches(source: Iterable<SourceItem> | AsyncIterable<SourceItem>): AsyncGenerator<WrittenBatch> {
    const { batchSize = 500, allow, threads = availableParallelism() } = this.#options;
    const reading = {
      batchSize,
      allow,
      withTemplate: this.#signing.withTemplate,
      onRefused: (refused: RefusedItem) => this.#refuse(refused),
    };
    const plans = readBatches(source, reading);
    const ahead: Promise<SignedBatch>[] = [];
    // Each thread finds its next batch while this thread is busy with what has come out.
    const mostAhead = Math.max(1, 2 * threads);
    try {
      for (let isMore = true; isMore || ahead.length > 0;) {
        while (isMore && ahead.length < mostAhead) {
          const next = await plans.next();
          isMore = next.done !== true;
          if (!next.done) ahead.push(this.#signAhead(next.value, next.value.length === batchSize));
        }
        const signed = await ahead.shift();
        if (signed) yield await this.#write(signed);
      }
    } finally {
      await plans.return(undefined);
      for (const signed of await Promise.allSettled(ahead)) if (signed.status === 'fulfilled') signed.value.wipe();
    }
  }

  /** To be asked before a device is handed out: whether this run is still the only one of its station. */
  checkClaim(): void {
    this.#claim?.check();
  }

  /** Gives a batch to the receiver, where there is one; its keys are wiped when that has it. */
  async handOver(batch: WrittenBatch): Promise<void> {
    if (batch.devices.length > 0) {
      this.checkClaim();
      await this.#options.receiver?.take(batch.devices);
      if (this.#options.receiver) {
        batch.taken = batch.devices.length;
        batch.devices.forEach(wipeKey);
      }
      this.#underWay.handOut(batch);
      this.#progress.issued += batch.devices.length;
    }
    this.#options.onProgress?.(this.#progress.read());
  }

  async end(): Promise<void> {
    try {
      await this.#signing.close();
      const delivered = this.#underWay.taken;
      if (delivered.length > 0) await this.#record({ delivered });
    } finally {
      await this.#claim?.release();
    }
  }

  /** What a run that was interrupted had handed over, and could not write down any more. */
  async #recover(): Promise<void> {
    const { inventory, receiver } = this.#options;
    if (!inventory || !receiver?.has) return;
    const undelivered: CertificateRecord[] = [];
    for await (const record of inventory.find({ states: ['issued'], station: this.#rules.station })) {
      undelivered.push(record);
    }
    if (undelivered.length === 0) return;
    const there = await receiver.has(undelivered);
    const delivered = toRanges(undelivered.filter(({ serialNumber }) => there.has(serialNumber)).map(({ id }) => id));
    if (delivered.length > 0) await this.#record({ delivered });
  }

  #signAhead(batch: readonly PlannedDevice[], isMore: boolean): Promise<SignedBatch> {
    const signing = this.#sign(batch, isMore);
    // Whoever awaits it hears of a failure; until then it is not an unhandled one.
    signing.catch(() => undefined);
    return signing;
  }

  async #sign(batch: readonly PlannedDevice[], isMore: boolean): Promise<SignedBatch> {
    const admitted = this.#options.inventory ? await this.#admit(batch, this.#options.inventory) : batch;
    this.#progress.start();
    return this.#signing.sign(admitted, isMore);
  }

  async #admit(batch: readonly PlannedDevice[], inventory: Inventory): Promise<PlannedDevice[]> {
    const fresh = batch.filter(({ registrationId }) => this.#underWay.enter(registrationId));
    this.#progress.skipped += batch.length - fresh.length;
    const standing = await readStanding(inventory, fresh);
    return fresh.filter((plan) => this.#mayIssue(plan, standing));
  }

  /** Notes, too, which certificate the new one takes the place of. */
  #mayIssue(plan: PlannedDevice, standing: Standing): boolean {
    const { index, registrationId } = plan;
    plan.replaces = standing.current.get(registrationId);
    const admission = admit({ registrationId, ...keyIn(plan, standing) }, plan.replaces, this.#rules);
    if (admission === 'issue') return true;
    this.#underWay.leave(registrationId);
    if (admission === 'skip') this.#progress.skipped += 1;
    else this.#refuse({ index, registrationId, error: admission.refuse });
    return false;
  }

  async #write(signed: SignedBatch): Promise<WrittenBatch> {
    const unpacked = signed.unpack();
    const good = unpacked.filter((one) => 'device' in one);
    try {
      for (const one of unpacked) if ('error' in one) this.#refuseSigned(one);
      const { written, ids } = await this.#writeDown(this.#withKeysOfTheirOwn(good));
      return { devices: written.map(({ device }) => device), ids, taken: 0 };
    } catch (error) {
      for (const { device } of good) wipeKey(device);
      throw error;
    }
  }

  /** Their signatures have been checked: nobody keeps a device out by a request with that device's key. */
  #withKeysOfTheirOwn<One extends { plan: PlannedDevice; device: IssuedDevice }>(devices: readonly One[]): One[] {
    if (!this.#options.inventory) return [...devices];
    const owners = new Map<string, string>();
    return devices.filter(({ plan, device }) => {
      const { registrationId, request } = plan;
      if (!request) return true;
      const owner = owners.get(device.keyIdentifier);
      owners.set(device.keyIdentifier, owner ?? registrationId);
      if (owner === undefined) return true;
      this.#refuseSigned({ plan, error: keyReused(registrationId, owner) });
      return false;
    });
  }

  /** Where another station was faster with some of the devices, the others are written down all the same. */
  async #writeDown<One extends { plan: PlannedDevice; device: IssuedDevice }>(
    devices: readonly One[],
  ): Promise<{ written: readonly One[]; ids: IdRange | undefined }> {
    const { inventory, line } = this.#options;
    if (!inventory || devices.length === 0) return { written: devices, ids: undefined };
    const issued = {
      line: line.commonName ?? line.subject,
      lineKeyIdentifier: this.#lineKeyIdentifier,
      certificates: devices.map(({ plan, device }) => toNewCertificate(device, plan)),
    };
    try {
      const ids = await this.#record({ issued, delivered: this.#underWay.taken });
      this.#underWay.settle();
      return { written: devices, ids };
    } catch (error) {
      if (!(error instanceof PkiError) || !lostRace.has(error.code)) throw error;
      return this.#writeDown(await this.#withoutTaken(devices, error));
    }
  }

  /** @throws what was thrown before, where nobody has taken anything */
  async #withoutTaken<One extends { plan: PlannedDevice; device: IssuedDevice }>(
    devices: readonly One[],
    error: PkiError,
  ): Promise<One[]> {
    const { inventory } = this.#options;
    if (!inventory) throw error;
    const standing = await readStanding(
      inventory,
      devices.map(({ plan }) => plan),
    );
    const taken = devices.filter(({ plan }) => {
      const { keyOwner = plan.registrationId } = keyIn(plan, standing);
      return standing.current.get(plan.registrationId)?.id !== plan.replaces?.id || keyOwner !== plan.registrationId;
    });
    if (taken.length === 0) throw error;
    const lost = new Set(taken.filter(({ plan }) => !this.#mayIssue(plan, standing)));
    for (const { device } of lost) wipeKey(device);
    return devices.filter((one) => !lost.has(one));
  }

  #refuseSigned({ plan: { index, registrationId }, error }: { plan: PlannedDevice; error: PkiError }): void {
    this.#underWay.leave(registrationId);
    this.#refuse({ index, registrationId, error });
  }

  #refuse(refused: RefusedItem): void {
    if (!this.#options.onRefused) throw refused.error;
    this.#progress.refused += 1;
    this.#options.onRefused(refused);
  }

  #record(changes: Omit<InventoryChanges, keyof Responsible>): Promise<IdRange | undefined> | undefined {
    const { inventory, orderedBy = '' } = this.#options;
    return inventory?.record({ station: this.#rules.station, orderedBy, ...changes });
  }
}

/** What a device that was signed for may have lost to another station meanwhile: its name, its key. */
const lostRace: ReadonlySet<string> = new Set(['ERR_PKI_ALREADY_ISSUED', 'ERR_PKI_KEY_REUSED']);

function toNewCertificate(device: IssuedDevice, { replaces, request }: PlannedDevice): NewCertificate {
  const { registrationId, serialNumber, keyIdentifier, thumbprintSha1, thumbprintSha256, notBefore, notAfter } = device;
  return {
    registrationId,
    serialNumber,
    keyIdentifier,
    isDeviceKey: request !== undefined,
    thumbprintSha1,
    thumbprintSha256,
    notBefore,
    notAfter,
    replaces,
  };
}

function checkCount(name: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least)) return;
  throw new TypeError(`${name} must be a whole number from ${least}.`);
}
