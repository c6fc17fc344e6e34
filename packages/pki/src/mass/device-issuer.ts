import { createECDH, hash, KeyObject, randomFillSync, sign, verify, webcrypto } from 'node:crypto';
import { encodeCommonName, encodeElement, encodeLength, tag } from '../der.ts';
import type { DeviceTemplate } from './device-template.ts';
import { keyIdentifierLength, slotLayout, type IssuedBatch, type SlotLayout } from './issued-batch.ts';
import { requestFieldCount, type RequestBatch } from './request-batch.ts';
import { randomLength, serialNumberLength } from '../serial-number.ts';

/** One batch of work, plain data. */
export interface IssuingJob {
  template: DeviceTemplate;
  /** See serialNumberPrefix. */
  serialPrefix: number;
  /** Checked, in ASCII. */
  registrationIds: readonly string[];
  /** In the same order; undefined: keys are made here. */
  requests: RequestBatch | undefined;
  /** Zeros of a batch that has been given back, to be filled anew; undefined or too short: new memory is taken. */
  memory: Uint8Array<ArrayBuffer> | undefined;
}

/** A TBSCertificate for names of one length, to be filled in for one device after the other. */
interface Form {
  tbs: Buffer;
  serial: number;
  name: number;
  point: number;
  keyIdentifier: number;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };

/**
 * Fills certificates into a template and signs them: a key pair (or the check of a request's signature), one signature and
 * three hashes a device, and next to nothing besides.
 */
export class DeviceIssuer {
  readonly #key: KeyObject;
  readonly #ecdh = createECDH('prime256v1');

  constructor(key: KeyObject) {
    this.#key = key;
  }

  async issue(job: IssuingJob): Promise<IssuedBatch> {
    const filling = new Filling(job, this.#key);
    if (job.requests) await this.#signRequests(filling, job.requests);
    else this.#makeDevices(filling);
    return filling.batch;
  }

  #makeDevices(filling: Filling): void {
    for (let index = 0; index < filling.count; index += 1) {
      const point = this.#ecdh.generateKeys();
      const privateNumber = this.#ecdh.getPrivateKey();
      filling.addKey(index, point, privateNumber);
      privateNumber.fill(0);
      filling.addCertificate(index, point);
    }
    // The last key pair stays in the object: it is replaced by one that nobody gets.
    this.#ecdh.generateKeys();
  }

  async #signRequests(filling: Filling, { octets, fields }: RequestBatch): Promise<void> {
    for (let index = 0; index < filling.count; index += 1) {
      const [from, end, point, signature, signatureEnd] = fields.subarray(index * requestFieldCount);
      const publicPoint = octets.subarray(point, (point ?? 0) + 65);
      const isGood = await isSigned({
        point: publicPoint,
        signed: octets.subarray(from, end),
        signature: octets.subarray(signature, signatureEnd),
      });
      if (isGood) filling.addCertificate(index, publicPoint);
    }
  }
}

/** By way of Web Crypto, since of Node's ways to read a public key this is the fastest: it takes the point as it is. */
async function isSigned(request: { point: Uint8Array; signed: Uint8Array; signature: Uint8Array }): Promise<boolean> {
  try {
    // Extractable, as a public key is anyway: Node 24 warns where others become a KeyObject (DEP0204).
    const key = await webcrypto.subtle.importKey('raw', request.point, algorithm, true, ['verify']);
    return verify('sha256', request.signed, KeyObject.from(key), request.signature);
  } catch {
    // The point is not on the curve.
    return false;
  }
}

/** One batch while it is filled in. */
class Filling {
  readonly count: number;
  readonly batch: IssuedBatch;
  readonly #job: IssuingJob;
  readonly #key: KeyObject;
  readonly #octets: Buffer;
  readonly #layout: SlotLayout;
  readonly #random: Buffer;
  readonly #forms = new Map<number, Form>();

  constructor(job: IssuingJob, key: KeyObject) {
    const { template, registrationIds, requests, memory } = job;
    this.count = registrationIds.length;
    this.#job = job;
    this.#key = key;
    this.#layout = slotLayout({ template, withKeys: !requests });
    const length = this.count * this.#layout.length;
    const octets = memory && memory.length >= length ? memory : new Uint8Array(length);
    this.batch = { octets, layout: this.#layout };
    this.#octets = Buffer.from(octets.buffer);
    this.#random = randomFillSync(Buffer.allocUnsafe(this.count * randomLength));
  }

  addKey(index: number, point: Buffer, privateNumber: Buffer): void {
    const { pkcs8, pkcs8PrivateOffset, pkcs8PointOffset } = this.#job.template;
    const start = index * this.#layout.length + this.#layout.key;
    this.#octets.set(pkcs8, start);
    // Node leaves out zeros at the front.
    privateNumber.copy(this.#octets, start + pkcs8PrivateOffset + 32 - privateNumber.length);
    point.copy(this.#octets, start + pkcs8PointOffset);
  }

  addCertificate(index: number, point: Uint8Array): void {
    const registrationId = this.#job.registrationIds[index] ?? '';
    const { tbs, serial, name, point: pointAt, keyIdentifier } = this.#formFor(registrationId.length);
    tbs.write(registrationId, name, 'latin1');
    tbs.set(point, pointAt);
    tbs.write(hash('sha1', point, 'binary'), keyIdentifier, 'latin1');
    this.#random.copy(
      tbs,
      serial + serialNumberLength - randomLength,
      index * randomLength,
      (index + 1) * randomLength,
    );
    const signature = sign(this.#job.template.hash, tbs, this.#key);
    this.#write(index, { tbs, serial, keyIdentifier, signature });
  }

  #write(index: number, parts: { tbs: Buffer; serial: number; keyIdentifier: number; signature: Buffer }): void {
    const { tbs, serial, keyIdentifier, signature } = parts;
    const octets = this.#octets;
    const layout = this.#layout;
    const slot = index * layout.length;
    const from = slot + layout.certificate;
    const end = this.#writeCertificate(from, tbs, signature);
    const certificate = octets.subarray(from, end);
    octets.writeUInt16BE(end - from, slot);
    octets.write(hash('sha1', certificate, 'binary'), slot + layout.sha1, 'latin1');
    octets.write(hash('sha256', certificate, 'binary'), slot + layout.sha256, 'latin1');
    tbs.copy(octets, slot + layout.serial, serial, serial + serialNumberLength);
    tbs.copy(octets, slot + layout.keyIdentifier, keyIdentifier, keyIdentifier + keyIdentifierLength);
  }

  /** @returns where it ends */
  #writeCertificate(from: number, tbs: Buffer, signature: Buffer): number {
    const { signatureAlgorithm } = this.#job.template;
    const octets = this.#octets;
    let at = from + 4;
    tbs.copy(octets, at);
    at += tbs.length;
    octets.set(signatureAlgorithm, at);
    at += signatureAlgorithm.length;
    // Signatures differ in length by an octet or two, so this header can't be part of the template.
    octets[at] = tag.bitString;
    const length = encodeLength(signature.length + 1);
    octets.set(length, at + 1);
    at += 1 + length.length;
    octets[at] = 0;
    signature.copy(octets, at + 1);
    at += 1 + signature.length;
    octets[from] = tag.sequence;
    octets[from + 1] = 0x82;
    octets.writeUInt16BE(at - from - 4, from + 2);
    return at;
  }

  #formFor(nameLength: number): Form {
    const known = this.#forms.get(nameLength);
    if (known) return known;
    const form = createForm(this.#job, nameLength);
    this.#forms.set(nameLength, form);
    return form;
  }
}

function createForm({ template, serialPrefix }: IssuingJob, nameLength: number): Form {
  const { version, beforeSubject, afterSubject, pointOffset, keyIdentifierOffset } = template;
  const serialContent = Buffer.alloc(serialNumberLength);
  serialContent.writeUInt32BE(serialPrefix);
  const serialNumber = encodeElement(tag.integer, serialContent);
  const subject = encodeCommonName('x'.repeat(nameLength));
  const tbs = encodeElement(tag.sequence, version, serialNumber, beforeSubject, subject, afterSubject);
  const afterName = tbs.length - afterSubject.length;
  return {
    tbs,
    serial: afterName - subject.length - beforeSubject.length - serialNumberLength,
    // The text is what a name ends with.
    name: afterName - nameLength,
    point: afterName + pointOffset,
    keyIdentifier: afterName + keyIdentifierOffset,
  };
}
