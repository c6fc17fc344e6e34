import type { AzureSession } from './azure-session.ts';
import type { Task } from './transport/attempt.ts';
import { readRecord, readRecords } from './transport/json-value.ts';
import type { JsonRecord } from './transport/json-value.ts';

/** DPS's service API, version 2021-10-01. */
const apiVersion = '2021-10-01';

/** Enrollment, registration record and group not found; any other 404 means that the instance itself is not there. */
const absentCodes = ['404201', '404202', '404204'];

export interface ItemRequest {
  readonly task: Task;
  readonly dpsName: string;
  /** Path segments, not yet escaped. */
  readonly path: readonly string[];
}

/** Undefined where there is no such item. */
export async function getItem(session: AzureSession, { task, ...item }: ItemRequest): Promise<JsonRecord | undefined> {
  const url = itemUrl(session, item);
  const answer = await session.provisioningService.send({ task, method: 'GET', url, absentCodes });
  return answer === undefined ? undefined : readRecord(answer.body);
}

/** Without an ETag the item has to be new. */
export async function putItem(
  session: AzureSession,
  { task, body, etag, ...item }: ItemRequest & { readonly body: JsonRecord; readonly etag: string | undefined },
): Promise<JsonRecord> {
  const url = itemUrl(session, item);
  const answer = await session.provisioningService.send({ task, method: 'PUT', url, body, headers: ifMatch(etag) });
  return readRecord(answer?.body);
}

/** False where there was no such item. */
export async function deleteItem(
  session: AzureSession,
  { task, etag, ...item }: ItemRequest & { readonly etag: string | undefined },
): Promise<boolean> {
  const url = itemUrl(session, item);
  const answer = await session.provisioningService.send({
    task,
    method: 'DELETE',
    url,
    absentCodes,
    headers: ifMatch(etag),
  });
  return answer !== undefined;
}

/** All pages of a query; none where the item that it is about does not exist. */
export async function queryItems(
  session: AzureSession,
  { task, query, ...item }: ItemRequest & { readonly query?: string },
): Promise<readonly JsonRecord[]> {
  const found: JsonRecord[] = [];
  let continuation: string | undefined;
  do {
    const answer = await session.provisioningService.send({
      task,
      method: 'POST',
      url: itemUrl(session, item),
      absentCodes,
      ...(query === undefined ? {} : { body: { query } }),
      headers: {
        'x-ms-max-item-count': '100',
        ...(continuation === undefined ? {} : { 'x-ms-continuation': continuation }),
      },
    });
    found.push(...readRecords(answer?.body));
    continuation = answer?.header('x-ms-continuation');
  } while (continuation !== undefined && continuation !== '');
  return found;
}

function itemUrl({ cloud }: AzureSession, { dpsName, path }: Omit<ItemRequest, 'task'>): string {
  const escaped = path.map(encodeURIComponent).join('/');
  return `https://${dpsName}.${cloud.provisioningServiceSuffix}/${escaped}?api-version=${apiVersion}`;
}

/** DPS takes the ETag as it stands in the JSON, without quotes. */
function ifMatch(etag: string | undefined): Record<string, string> {
  return etag === undefined ? {} : { 'If-Match': etag };
}
