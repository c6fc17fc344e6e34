import type { CertificateAuthority } from '../authority.ts';
import { encodePem } from '../pem.ts';
import { keyWiped, type IssuedCredential, type IssuedDevice } from './issued-device.ts';
import type { IssuedBatch } from './issued-batch.ts';

/** What a batch's devices have in common. */
export interface BatchOrigin {
  batch: IssuedBatch;
  line: Pick<CertificateAuthority, 'subject' | 'chainPem'>;
  notBefore: Date;
  notAfter: Date;
}

/** Whether a slot holds a certificate: none, where the request's signature was not its own key's. */
export function isIssued({ octets, layout }: IssuedBatch, index: number): boolean {
  return octets[index * layout.length] !== 0;
}

/** One slot of a batch, read when it is asked for: making a million of these costs next to nothing. */
export class BatchedDevice implements IssuedDevice {
  readonly registrationId: string;
  protected readonly origin: BatchOrigin;
  readonly #slot: number;

  constructor(origin: BatchOrigin, index: number, registrationId: string) {
    this.registrationId = registrationId;
    this.origin = origin;
    this.#slot = index * origin.batch.layout.length;
  }

  get commonName(): string {
    return this.registrationId;
  }

  get subject(): string {
    return `CN=${this.registrationId}`;
  }

  get issuer(): string {
    return this.origin.line.subject;
  }

  get notBefore(): Date {
    return this.origin.notBefore;
  }

  get notAfter(): Date {
    return this.origin.notAfter;
  }

  get serialNumber(): string {
    const { serial, keyIdentifier } = this.origin.batch.layout;
    return this.part(serial, keyIdentifier).toString('hex');
  }

  get keyIdentifier(): string {
    const { keyIdentifier, key } = this.origin.batch.layout;
    return this.part(keyIdentifier, key).toString('hex');
  }

  get thumbprintSha1(): string {
    const { sha1, sha256 } = this.origin.batch.layout;
    return this.part(sha1, sha256).toString('hex').toUpperCase();
  }

  get thumbprintSha256(): string {
    const { sha256, serial } = this.origin.batch.layout;
    return this.part(sha256, serial).toString('hex').toUpperCase();
  }

  get certificateDer(): Uint8Array {
    const { certificate } = this.origin.batch.layout;
    return this.part(certificate, certificate + this.part(0, 2).readUInt16BE());
  }

  get certificatePem(): string {
    return encodePem('CERTIFICATE', this.certificateDer);
  }

  get chainPem(): string {
    return this.certificatePem + this.origin.line.chainPem;
  }

  /** A view, not a copy. */
  protected part(from: number, end: number): Buffer {
    return Buffer.from(this.origin.batch.octets.buffer, this.#slot + from, end - from);
  }
}

/** A slot that has a key in it too. */
export class BatchedCredential extends BatchedDevice implements IssuedCredential {
  #isWiped = false;

  get privateKeyDer(): Uint8Array {
    if (this.#isWiped) throw keyWiped(this.registrationId);
    return this.#key;
  }

  get privateKeyPem(): string {
    return encodePem('PRIVATE KEY', this.privateKeyDer);
  }

  wipe(): void {
    this.#isWiped = true;
    this.#key.fill(0);
  }

  get #key(): Buffer {
    const { key, certificate } = this.origin.batch.layout;
    return this.part(key, certificate);
  }
}
