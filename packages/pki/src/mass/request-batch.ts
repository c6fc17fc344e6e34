import type { RequestFields } from './request-fields.ts';

/** Requests of a batch: their octets one behind the other, and five numbers for each. */
export interface RequestBatch {
  octets: Uint8Array;
  /** For each: where the signed part begins and ends, where the public point begins, where the signature begins and ends. */
  fields: Uint32Array;
}

/** Numbers for each request in RequestBatch.fields. */
export const requestFieldCount = 5;

export function packRequests(requests: readonly { der: Uint8Array; fields: RequestFields }[]): RequestBatch {
  const octets = Buffer.concat(requests.map(({ der }) => der));
  const fields = new Uint32Array(requests.length * requestFieldCount);
  let start = 0;
  requests.forEach(({ der, fields: found }, index) => {
    const { signed, signedEnd, point, signature, signatureEnd } = found;
    const places = [signed, signedEnd, point, signature, signatureEnd].map((place) => start + place);
    fields.set(places, index * requestFieldCount);
    start += der.length;
  });
  return { octets, fields };
}
