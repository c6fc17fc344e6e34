import { isJsonObject, type JsonObject } from '../hub/json.ts';
import type { StartTimer } from '../mqtt/timer.ts';
import type { Attested } from './attested.ts';
import { certificateInfo } from './attestation.ts';
import { DpsError } from './dps-error.ts';
import { type Enrollment, enrollmentJson, parseInitialTwin } from './enrollment.ts';
import type { RegistrationRecord } from './registration-record.ts';

/** "Use custom allocation policies": ten more calls, the first after a second, each pause nine seconds longer. */
const RETRIES = 10;
const FIRST_PAUSE_MS = 1000;
const LONGER_MS = 9000;

/** A device for which a webhook is asked. */
export interface CustomAllocationRequest {
  readonly attested: Attested;
  readonly registrationId: string;
  /** What the device sent along; undefined where it sent nothing. */
  readonly payload: unknown;
  /** Its registration before this one. */
  readonly before: RegistrationRecord | undefined;
  /** Host names of the hubs that the enrollment allows. */
  readonly linkedHubs: readonly string[];
}

/** What a webhook decided. */
export interface CustomAllocation {
  readonly iotHubHostName: string;
  /** Takes the place of the enrollment's initial twin and of migrated data. */
  readonly initialTwin?: NonNullable<Enrollment['initialTwin']>;
  /** Goes to the device. */
  readonly payload?: unknown;
}

/** How a webhook is called. */
export interface WebhookOptions {
  readonly timeoutSeconds: number;
  /** Makes the pauses between calls. */
  readonly startTimer: StartTimer;
  readonly log: (line: string) => void;
}

/**
 * Asks the enrollment's webhook which hub a device gets.
 *
 * @throws {DpsError} webhookFailed, webhookUnauthorized, webhookWithoutHub; invalidArgument: an initial twin that is none
 */
export async function askWebhook(request: CustomAllocationRequest, options: WebhookOptions): Promise<CustomAllocation> {
  const { enrollment } = request.attested;
  const url = enrollment.customAllocationDefinition?.webhookUrl ?? '';
  const body = JSON.stringify(requestJson(request));
  for (let retry = 0; ; retry += 1) {
    const response = await post(url, body, options.timeoutSeconds);
    if (response.status < 429 || retry === RETRIES) return readAnswer(response);
    const pauseMs = FIRST_PAUSE_MS + retry * LONGER_MS;
    options.log(`the webhook of '${enrollment.id}' answered ${response.status}; asked again in ${pauseMs / 1000} s`);
    await new Promise<void>((resolve) => void options.startTimer(pauseMs, resolve));
  }
}

interface WebhookResponse {
  readonly status: number;
  readonly text: string;
}

async function post(url: string, body: string, timeoutSeconds: number): Promise<WebhookResponse> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json; charset=utf-8' },
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutSeconds * 1000),
    });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    const { cause, message } = error as Error;
    throw new DpsError(
      'webhookFailed',
      'Custom allocation failed',
      `the webhook can't be reached: ${cause instanceof Error ? cause.message : message}`,
    );
  }
}

function readAnswer({ status, text }: WebhookResponse): CustomAllocation {
  if (status === 401) {
    throw new DpsError('webhookUnauthorized', 'Custom allocation failed with unauthorized access', 'it answered 401');
  }
  if (status !== 200) throw new DpsError('webhookFailed', `Custom allocation failed with status code: ${status}`);
  const answer = parseJson(text);
  const { iotHubHostName } = answer;
  if (typeof iotHubHostName !== 'string' || iotHubHostName === '') {
    throw new DpsError(
      'webhookWithoutHub',
      'Custom allocation failed: IoT hub not specified',
      'iotHubHostName is empty',
    );
  }
  const initialTwin = parseInitialTwin(answer['initialTwin']);
  const { payload } = answer;
  return { iotHubHostName, ...(initialTwin && { initialTwin }), ...(payload != null && { payload }) };
}

function parseJson(text: string): JsonObject {
  try {
    const answer: unknown = JSON.parse(text);
    if (isJsonObject(answer)) return answer;
  } catch {
    // Said below: whatever is no object is not an answer.
  }
  throw new DpsError('webhookFailed', 'Custom allocation failed', "the webhook's answer is not a JSON object");
}

/** The AllocationRequest of "Understand custom allocation policies". */
function requestJson({ attested, registrationId, payload, before, linkedHubs }: CustomAllocationRequest): JsonObject {
  const { enrollment, leaf } = attested;
  return {
    [enrollment.kind === 'group' ? 'enrollmentGroup' : 'individualEnrollment']: webhookEnrollment(enrollment),
    deviceRuntimeContext: {
      registrationId,
      ...(before?.assignedHub !== undefined && { currentIotHubHostName: before.assignedHub }),
      ...(before?.assignedHub !== undefined && before.deviceId !== undefined && { currentDeviceId: before.deviceId }),
      // "Contains certificate details", and no document shows which.
      ...(leaf ? { x509: { clientCertificate: { info: certificateInfo(leaf) } } } : { symmetricKey: {} }),
      ...(payload !== undefined && { payload: payload as JsonObject }),
    },
    linkedHubs,
  };
}

/** As webhooks get it: the ETag isn't in base64, and the query of the webhook's address is masked. */
function webhookEnrollment(enrollment: Enrollment): JsonObject {
  const { customAllocationDefinition: definition } = enrollment;
  return {
    ...enrollmentJson(enrollment),
    etag: Buffer.from(enrollment.etag, 'base64').toString('latin1'),
    ...(definition && {
      customAllocationDefinition: { ...definition, webhookUrl: definition.webhookUrl.replace(/\?.*$/, '?****') },
    }),
  };
}
