import { randomBytes, randomUUID } from 'node:crypto';
import type { Shelf } from '../data/shelf.ts';
import { looseShelf } from '../data/store.ts';
import type { StoredMap } from '../data/stored-map.ts';
import type { HubDirectory } from '../hub/hub-directory.ts';
import type { JsonObject } from '../hub/json.ts';
import { startSystemTimer, type StartTimer } from '../mqtt/timer.ts';
import type { HubLatency } from './allocation.ts';
import { deviceVersionProblem } from './api-version.ts';
import { assign } from './assignment.ts';
import type { Attested } from './attested.ts';
import { attest, type DeviceClaim, readRegistration } from './device-claim.ts';
import { defaultDpsAssumptions, type DpsAssumptions } from './dps-assumptions.ts';
import { DpsError } from './dps-error.ts';
import { defaultDpsLimits, type DpsLimits } from './dps-limits.ts';
import type { ProvisioningDirectory, ProvisioningInstance } from './provisioning-instance.ts';
import { RateLimit } from './rate-limit.ts';
import { deviceRegistrationJson, type RegistrationRecord } from './registration-record.ts';
import { registrationKey } from './registration-id.ts';

/** Options of {@link DeviceRegistration}. */
export interface DeviceRegistrationOptions {
  readonly instances: ProvisioningDirectory;
  readonly hubs: HubDirectory;
  /** What a device is told to wait before it polls, in seconds. */
  readonly retryAfterSeconds: number;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** What is kept of operations; default: in memory alone. */
  readonly shelf?: Shelf;
  /** Gets why a device was refused, which the device itself isn't told in such detail. */
  readonly log: (line: string) => void;
  readonly assumptions?: DpsAssumptions;
  readonly limits?: DpsLimits;
  /** For allocation by latency; default: none is known. */
  readonly hubLatencyMs?: HubLatency;
  /** For the pauses between calls of a webhook; default: the system's. */
  readonly startTimer?: StartTimer;
}

/** Operations that are remembered; the oldest are forgotten first. */
const MAX_OPERATIONS = 100_000;

interface Operation {
  readonly claim: Pick<DeviceClaim, 'idScope' | 'registrationId'>;
  readonly record: RegistrationRecord;
  /** True: it tells a device that it isn't let in, so that no poll of it can be asked for a proof. */
  readonly isRefusal?: boolean;
}

/** The device plane of every DPS instance, whatever transport a call comes by. */
export class DeviceRegistration {
  readonly retryAfterSeconds: number;
  readonly #options: DeviceRegistrationOptions;
  readonly #assumptions: DpsAssumptions;
  readonly #operations: StoredMap<Operation>;
  /** Operations that a webhook hasn't decided yet. */
  readonly #underWay = new Map<string, Operation['claim']>();
  readonly #polls: RateLimit;
  readonly #registrations: RateLimit;

  constructor(options: DeviceRegistrationOptions) {
    const { now, limits = defaultDpsLimits } = options;
    this.#options = options;
    this.#assumptions = options.assumptions ?? defaultDpsAssumptions;
    const shelf = options.shelf ?? looseShelf();
    this.#operations = shelf.map('registrationOperations');
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.#polls = new RateLimit({
      ...{ calls: limits.pollsPerTenSeconds, windowMs: 10_000, what: 'polls', now },
      kept: shelf.map('polls'),
    });
    this.#registrations = new RateLimit({
      ...{ calls: limits.registrationsPerMinute, windowMs: 60_000 },
      ...{ what: 'registrations', now, kept: shelf.map('registerCalls') },
    });
  }

  /**
   * Takes a registration and answers that it is under way; what came of it is told by {@link operationStatus}.
   *
   * @param body - `{ registrationId, payload? }`
   * @throws {DpsError} unauthorized, enrollmentDisabled, enrollmentNotFound, invalidArgument, tooManyRequests
   */
  async register(claim: DeviceClaim, body: unknown): Promise<JsonObject> {
    const instance = this.#findInstance(claim);
    instance.countRegisterCall(claim.registrationId);
    return this.#logged(claim, async () => {
      this.#registrations.count(instance.idScope);
      const { payload } = readRegistration(claim, body);
      const operationId = `5.${randomBytes(8).toString('hex')}.${randomUUID()}`;
      try {
        const attested = this.#attest(instance, claim);
        await this.#assign(operationId, instance, { claim, attested, payload });
      } catch (error) {
        this.#remember(operationId, { ...this.#refusal(instance, claim, error), isRefusal: true });
      }
      return { operationId, status: 'assigning' };
    });
  }

  /** @throws {DpsError} unauthorized, operationNotFound, tooManyRequests */
  async operationStatus(claim: DeviceClaim, operationId: string): Promise<JsonObject> {
    const instance = this.#findInstance(claim);
    return this.#logged(claim, () => {
      if (!this.#operations.get(operationId)?.isRefusal) this.#attest(instance, claim);
      this.#polls.count(registrationKey(claim.registrationId));
      const operation = this.#operations.get(operationId);
      const owner = operation?.claim ?? this.#underWay.get(operationId);
      if (owner === undefined || !isSameDevice(owner, claim)) {
        throw new DpsError('operationNotFound', `Operation '${operationId}' not found.`);
      }
      if (operation === undefined) return { operationId, status: 'assigning' };
      const { record } = operation;
      return { operationId, status: record.status, registrationState: deviceRegistrationJson(record) };
    });
  }

  /** @throws {DpsError} unauthorized, registrationNotFound, tooManyRequests */
  async lookUp(claim: DeviceClaim): Promise<JsonObject> {
    const instance = this.#findInstance(claim);
    return this.#logged(claim, () => {
      if (this.#assumptions.statusLookUp === 'counted') this.#registrations.count(instance.idScope);
      this.#attest(instance, claim);
      return deviceRegistrationJson(instance.registrations.get(claim.registrationId));
    });
  }

  /** A webhook takes its time, so the device is answered before; any other allocation is made at once. */
  async #assign(operationId: string, instance: ProvisioningInstance, request: Registration): Promise<void> {
    const { log, startTimer = startSystemTimer } = this.#options;
    const { idScope, registrationId, apiVersion } = request.claim;
    const claim = { idScope, registrationId };
    const done = assign(
      { ...this.#options, startTimer, instance, assumptions: this.#assumptions },
      { ...request, registrationId, apiVersion },
    ).then((record) => {
      if (record.status === 'failed') log(`DPS failed ${registrationId}: ${record.errorMessage ?? ''}`);
      this.#underWay.delete(operationId);
      this.#remember(operationId, { claim, record });
    });
    if (request.attested.enrollment.allocationPolicy !== 'custom') return done;
    this.#underWay.set(operationId, claim);
    done.catch((error: unknown) => log(`DPS failed ${registrationId}: ${String(error)}`));
    return Promise.resolve();
  }

  /** What is told by the poll instead of the answer, where that is assumed. @throws the error, where it isn't */
  #refusal(
    instance: ProvisioningInstance,
    { idScope, registrationId, ...proof }: DeviceClaim,
    error: unknown,
  ): Operation {
    if (!(error instanceof DpsError)) throw error;
    const { disabledEnrollment, refusal } = this.#assumptions;
    const isDisabled = error.kind === 'enrollmentDisabled' && disabledEnrollment === 'status';
    const isTold = isDisabled || (refusal === 'operation' && error.status === 401);
    if (!isTold) throw error;
    this.#log(registrationId, error);
    const record = instance.registrations.put({
      registrationId,
      attestationType: proof.presentedChain.length > 0 ? 'x509' : 'symmetricKey',
      ...(isDisabled
        ? { status: 'disabled' }
        : { status: 'failed', errorCode: error.code, errorMessage: error.message }),
    });
    return { claim: { idScope, registrationId }, record };
  }

  #remember(operationId: string, operation: Operation): void {
    this.#operations.set(operationId, operation);
    const [oldest] = this.#operations.keys();
    if (this.#operations.size > MAX_OPERATIONS && oldest !== undefined) this.#operations.delete(oldest);
  }

  #findInstance({ idScope, registrationId, apiVersion }: DeviceClaim): ProvisioningInstance {
    const problem = deviceVersionProblem(apiVersion);
    if (problem !== undefined) throw new DpsError('invalidArgument', problem);
    const instance = this.#options.instances.findByIdScope(idScope);
    if (instance !== undefined) return instance;
    const error = new DpsError('unauthorized', 'Unauthorized', `no DPS has ID scope ${idScope}`);
    this.#log(registrationId, error);
    throw error;
  }

  #attest(instance: ProvisioningInstance, claim: DeviceClaim): Attested {
    return attest(instance, claim, { nowMs: this.#options.now(), assumptions: this.#assumptions });
  }

  async #logged<Answer>({ registrationId }: DeviceClaim, work: () => Answer | Promise<Answer>): Promise<Answer> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof DpsError) this.#log(registrationId, error);
      throw error;
    }
  }

  #log(registrationId: string, { code, message, reason, trackingId }: DpsError): void {
    const why = reason === undefined ? '' : `: ${reason}`;
    this.#options.log(`DPS refused ${registrationId} (${code} ${message} tracking ID ${trackingId})${why}`);
  }
}

interface Registration {
  readonly claim: DeviceClaim;
  readonly attested: Attested;
  readonly payload: unknown;
}

function isSameDevice(a: Operation['claim'], b: DeviceClaim): boolean {
  return a.idScope === b.idScope && registrationKey(a.registrationId) === registrationKey(b.registrationId);
}
