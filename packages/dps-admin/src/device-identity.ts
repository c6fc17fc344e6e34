import type { AzureSession } from './azure-session.ts';
import { hasDpsAdminCode } from './errors.ts';
import { checkName } from './resource-name.ts';
import type { Task } from './transport/attempt.ts';
import { readRecord, readText } from './transport/json-value.ts';
import type { JsonRecord } from './transport/json-value.ts';

/** The hub's registry API, version 2021-04-12. */
const apiVersion = '2021-04-12';
const absentCodes = ['DeviceNotFound', '404001'];

export interface DeviceIdentityTarget {
  /** As the hub has it, with a port where it names one: `contoso-hub.azure-devices.net`. */
  readonly hubHostName: string;
  /** Case counts. */
  readonly deviceId: string;
}

export interface DeviceIdentity {
  readonly deviceId: string;
  readonly etag: string;
  readonly status: 'enabled' | 'disabled';
  readonly connectionState: 'Connected' | 'Disconnected';
  /** ISO 8601; year 1 when it never connected. */
  readonly lastActivityTime: string;
  /** `sas`, `selfSigned`, `certificateAuthority` or `none`. */
  readonly authenticationType: string;
}

/** Undefined where the hub has no such device. */
export async function getDeviceIdentity(
  session: AzureSession,
  target: DeviceIdentityTarget,
): Promise<DeviceIdentity | undefined> {
  const document = await readDocument(session, target);
  return document === undefined ? undefined : readIdentity(document);
}

/**
 * Keeps a device out of the hub without deleting it. Undefined where the hub has no such device.
 *
 * A change by somebody else in between is read again, five times at most.
 */
export async function disableDeviceIdentity(
  session: AzureSession,
  target: DeviceIdentityTarget,
): Promise<DeviceIdentity | undefined> {
  for (let attemptsLeft = 5; ; attemptsLeft -= 1) {
    const document = await readDocument(session, target);
    if (document === undefined || document.status === 'disabled')
      return document === undefined ? undefined : readIdentity(document);
    try {
      const answer = await session.hubService.send({
        task: task('disable', target),
        method: 'PUT',
        url: deviceUrl(target),
        body: { ...document, status: 'disabled' },
        headers: { 'If-Match': `"${readText(document.etag) ?? '*'}"` },
        absentCodes,
      });
      return answer === undefined ? undefined : readIdentity(readRecord(answer.body));
    } catch (error) {
      if (attemptsLeft === 1 || !hasDpsAdminCode(error, 'ERR_ETAG_STALE')) throw error;
    }
  }
}

/** True when the device was there and is deleted, with its twin; false when there was none. */
export async function deleteDeviceIdentity(session: AzureSession, target: DeviceIdentityTarget): Promise<boolean> {
  checkName('deviceId', target.deviceId);
  const answer = await session.hubService.send({
    task: task('delete', target),
    method: 'DELETE',
    url: deviceUrl(target),
    headers: { 'If-Match': '"*"' },
    absentCodes,
  });
  return answer !== undefined;
}

async function readDocument(session: AzureSession, target: DeviceIdentityTarget): Promise<JsonRecord | undefined> {
  checkName('deviceId', target.deviceId);
  const answer = await session.hubService.send({
    task: task('read', target),
    method: 'GET',
    url: deviceUrl(target),
    absentCodes,
  });
  return answer === undefined ? undefined : readRecord(answer.body);
}

function readIdentity(document: JsonRecord): DeviceIdentity {
  return {
    deviceId: readText(document.deviceId) ?? '',
    etag: readText(document.etag) ?? '',
    status: document.status === 'disabled' ? 'disabled' : 'enabled',
    connectionState: document.connectionState === 'Connected' ? 'Connected' : 'Disconnected',
    lastActivityTime: readText(document.lastActivityTime) ?? '',
    authenticationType: readText(readRecord(document.authentication).type) ?? '',
  };
}

function deviceUrl({ hubHostName, deviceId }: DeviceIdentityTarget): string {
  return `https://${hubHostName}/devices/${encodeURIComponent(deviceId)}?api-version=${apiVersion}`;
}

function task(verb: string, { hubHostName, deviceId }: DeviceIdentityTarget): Task {
  return { doing: `${verb} device '${deviceId}' of hub '${hubHostName}'`, subject: 'device' };
}
