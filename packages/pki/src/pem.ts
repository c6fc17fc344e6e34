/** One block of a PEM text (RFC 7468): label such as `CERTIFICATE`, and the DER under it. */
export interface PemBlock {
  label: string;
  der: Uint8Array;
}

const block = /-----BEGIN ([A-Z0-9 ]+)-----\s([^-]*)-----END \1-----/g;
const base64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** Blocks in the order of the text. Text around them, as OpenSSL writes it, is passed over; a broken block is left out. */
export function decodePem(text: string): PemBlock[] {
  return [...text.matchAll(block)]
    .map(([, label = '', body = '']) => ({ label, body: body.replace(/\s+/g, '') }))
    .filter(({ body }) => base64.test(body))
    .map(({ label, body }) => ({ label, der: decodeBase64(body) }));
}

/** In memory of its own, and nowhere else: it may be a key. */
function decodeBase64(text: string): Uint8Array {
  const der = new Uint8Array(Buffer.byteLength(text, 'base64'));
  Buffer.from(der.buffer).write(text, 'base64');
  return der;
}

/** PEM block with lines of 64 characters and a newline at its end, so that blocks can be put one behind the other. */
export function encodePem(label: string, der: ArrayBuffer | Uint8Array): string {
  const bytes = der instanceof ArrayBuffer ? Buffer.from(der) : Buffer.from(der.buffer, der.byteOffset, der.byteLength);
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
