import { Certificate, ContentInfo, SignedData } from 'pkijs';
import { DeviceAgentError } from '../errors.ts';

const signedData = '1.2.840.113549.1.7.2';

/**
 * Certificates out of a certs-only CMS message (RFC 5272 section 4.1), the answer of an EST server.
 *
 * @param body - base64 with or without line breaks (RFC 8951 section 3.1), PEM, or plain DER
 * @returns PEM, in the order they stand in
 * @throws {DeviceAgentError} ERR_AGENT_RENEWAL_CERTIFICATE
 */
export function readCertsOnly(body: Buffer, label: string): string {
  // Every DER sequence begins with this byte, and no base64 does.
  const der = body[0] === 0x30 ? body : Buffer.from(body.toString('latin1').replace(/-----[^-]+-----/g, ''), 'base64');
  try {
    const content = ContentInfo.fromBER(Uint8Array.from(der).buffer);
    if (content.contentType !== signedData) throw new Error(`its content type is ${content.contentType}`);
    const { certificates = [] } = new SignedData({ schema: content.content as unknown });
    const found = certificates.filter((certificate) => certificate instanceof Certificate);
    if (found.length === 0) throw new Error('it holds no certificate');
    return found.map(toPem).join('');
  } catch (cause) {
    throw new DeviceAgentError(
      'ERR_AGENT_RENEWAL_CERTIFICATE',
      `${label} sent no certs-only CMS message (application/pkcs7-mime) but ${body.length} bytes of something else.`,
      { cause, advice: 'Check that the URL is that of an EST server (RFC 7030), and what it writes to its log.' },
    );
  }
}

function toPem(certificate: Certificate): string {
  const base64 = Buffer.from(certificate.toSchema(true).toBER()).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${inLines(base64)}\n-----END CERTIFICATE-----\n`;
}

/** 64 characters a line (RFC 7468 section 2), which every reader of base64 takes. */
export function inLines(base64: string): string {
  return base64.replace(/.{64}(?=.)/g, '$&\n');
}
