import { randomBytes, randomUUID } from 'node:crypto';
import type { HubDirectory } from '../hub/hub-directory.ts';
import { isJsonObject, type JsonObject } from '../hub/json.ts';
import { assign } from './assignment.ts';
import type { Attested } from './attested.ts';
import { DpsError } from './dps-error.ts';
import { PollingLimit } from './polling-limit.ts';
import type { ProvisioningDirectory, ProvisioningInstance } from './provisioning-instance.ts';
import { deviceRegistrationJson, type RegistrationRecord } from './registration-record.ts';
import { isRegistrationId, registrationKey } from './registration-id.ts';
import { attestBySignature } from './symmetric-key-attestation.ts';
import { attestByCertificate } from './x509-attestation.ts';

/** Who a device says it is, with the proof that its connection carries. */
export interface DeviceClaim {
  readonly idScope: string;
  readonly registrationId: string;
  readonly apiVersion: string;
  /** DER, leaf first; empty without a client certificate. */
  readonly presentedChain: readonly Uint8Array[];
  /** `SharedAccessSignature ...`, for symmetric keys. */
  readonly signature: string | undefined;
}

/** Options of {@link DeviceRegistration}. */
export interface DeviceRegistrationOptions {
  readonly instances: ProvisioningDirectory;
  readonly hubs: HubDirectory;
  /** What a device is told to wait before it polls, in seconds. */
  readonly retryAfterSeconds: number;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Gets why a device was refused, which the device itself isn't told in such detail. */
  readonly log: (line: string) => void;
}

/** Operations that are remembered; the oldest are forgotten first. */
const MAX_OPERATIONS = 100_000;

const API_VERSION = /^20\d\d-\d\d-\d\d(?:-preview)?$/;

interface Operation {
  readonly claim: Pick<DeviceClaim, 'idScope' | 'registrationId'>;
  readonly record: RegistrationRecord;
}

/** The device plane of every DPS instance, whatever transport a call comes by. */
export class DeviceRegistration {
  readonly retryAfterSeconds: number;
  readonly #options: DeviceRegistrationOptions;
  readonly #operations = new Map<string, Operation>();
  readonly #polls: PollingLimit;

  constructor(options: DeviceRegistrationOptions) {
    this.#options = options;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.#polls = new PollingLimit(options.now);
  }

  /**
   * Takes a registration and answers that it is under way; what came of it is told by {@link operationStatus}.
   *
   * @param body - `{ registrationId, payload? }`
   * @throws {DpsError} unauthorized, invalidArgument
   */
  async register(claim: DeviceClaim, body: unknown): Promise<JsonObject> {
    const instance = this.#findInstance(claim);
    instance.countRegisterCall(claim.registrationId);
    checkBody(claim, body);
    const attested = await this.#attest(instance, claim);
    const record = assign(instance, this.#options.hubs, { ...claim, attested });
    if (record.status === 'failed')
      this.#options.log(`DPS failed ${claim.registrationId}: ${record.errorMessage ?? ''}`);
    const operationId = `5.${randomBytes(8).toString('hex')}.${randomUUID()}`;
    this.#remember(operationId, { claim, record });
    return { operationId, status: 'assigning' };
  }

  /** @throws {DpsError} unauthorized, operationNotFound, tooManyRequests */
  async operationStatus(claim: DeviceClaim, operationId: string): Promise<JsonObject> {
    const instance = this.#findInstance(claim);
    await this.#attest(instance, claim);
    this.#polls.count(claim.registrationId);
    const operation = this.#operations.get(operationId);
    if (operation === undefined || !isSameDevice(operation.claim, claim)) {
      throw new DpsError('operationNotFound', `Operation '${operationId}' not found.`);
    }
    const { record } = operation;
    return { operationId, status: record.status, registrationState: deviceRegistrationJson(record) };
  }

  /** @throws {DpsError} unauthorized, registrationNotFound */
  async lookUp(claim: DeviceClaim): Promise<JsonObject> {
    const instance = this.#findInstance(claim);
    await this.#attest(instance, claim);
    return deviceRegistrationJson(instance.registrations.get(claim.registrationId));
  }

  #remember(operationId: string, operation: Operation): void {
    this.#operations.set(operationId, operation);
    const [oldest] = this.#operations.keys();
    if (this.#operations.size > MAX_OPERATIONS && oldest !== undefined) this.#operations.delete(oldest);
  }

  #findInstance({ idScope, registrationId, apiVersion }: DeviceClaim): ProvisioningInstance {
    if (!API_VERSION.test(apiVersion)) {
      throw new DpsError(
        'invalidArgument',
        `Unknown api version '${apiVersion}': expected a date, for example 2019-03-31.`,
      );
    }
    const instance = this.#options.instances.findByIdScope(idScope);
    if (instance === undefined)
      throw this.#logged(
        registrationId,
        new DpsError('unauthorized', 'Unauthorized', `no DPS has ID scope ${idScope}`),
      );
    return instance;
  }

  async #attest(instance: ProvisioningInstance, claim: DeviceClaim): Promise<Attested> {
    const { registrationId, presentedChain, signature } = claim;
    const nowMs = this.#options.now();
    try {
      if (!isRegistrationId(registrationId)) throw new DpsError('invalidArgument', 'Invalid RegistrationId.');
      // A certificate counts before a signature: a device that shows both is an X.509 device.
      return presentedChain.length > 0 || signature === undefined
        ? await attestByCertificate(instance, { registrationId, presentedChain, nowMs })
        : attestBySignature(instance, { idScope: instance.idScope, registrationId, signature, nowMs });
    } catch (error) {
      throw this.#logged(registrationId, error);
    }
  }

  #logged(registrationId: string, error: unknown): unknown {
    if (error instanceof DpsError) {
      this.#options.log(`DPS refused ${registrationId} (${error.code} ${error.message}): ${error.reason ?? ''}`);
    }
    return error;
  }
}

function checkBody(claim: DeviceClaim, body: unknown): void {
  if (!isJsonObject(body))
    throw new DpsError('invalidArgument', 'Invalid registration: the body has to be a JSON object.');
  const { registrationId, csr } = body;
  if (typeof registrationId !== 'string' || registrationKey(registrationId) !== registrationKey(claim.registrationId)) {
    throw new DpsError('invalidArgument', 'Invalid RegistrationId.');
  }
  if (csr !== undefined) {
    // Not 501: Microsoft's clients take that for a passing failure and would ask for ever.
    throw new DpsError('invalidArgument', "The emulator does not support certificate issuance ('csr').");
  }
}

function isSameDevice(a: Operation['claim'], b: DeviceClaim): boolean {
  return a.idScope === b.idScope && registrationKey(a.registrationId) === registrationKey(b.registrationId);
}
