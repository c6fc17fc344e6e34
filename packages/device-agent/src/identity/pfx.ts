import {
  type AuthenticatedSafe,
  CertBag,
  Certificate,
  type CryptoEngine,
  PFX,
  PKCS8ShroudedKeyBag,
  PrivateKeyInfo,
} from 'pkijs';
import { DeviceAgentError } from '../errors.ts';
import { engine } from './pkijs-engine.ts';

/** What a PFX (PKCS #12, RFC 7292) holds: certificates in the order they stand in, and one private key. */
export interface PfxContents {
  readonly certificatesDer: readonly Uint8Array[];
  /** PKCS #8, not encrypted. */
  readonly privateKeyDer: Uint8Array;
}

interface OpenableBag {
  parseInternalValues(options: { password: ArrayBuffer }, crypto: CryptoEngine): Promise<void>;
}

/**
 * Opens a PFX as our own tools, OpenSSL 3 and Windows write it today: PBES2 with AES-CBC, MAC by HMAC-SHA-256.
 *
 * @param bytes - BER or DER
 * @throws {DeviceAgentError} ERR_AGENT_PASSWORD: the MAC doesn't match; ERR_AGENT_IDENTITY_INVALID: not a PFX, or one without key or certificate
 */
export async function readPfx(bytes: Uint8Array, password: string, label: string): Promise<PfxContents> {
  const safe = await openSafe(bytes, password, label);
  const certificatesDer: Uint8Array[] = [];
  let privateKeyDer: Uint8Array | undefined;
  for (const { value } of (safe.parsedValue as { safeContents: { value: { safeBags: { bagValue: unknown }[] } }[] })
    .safeContents) {
    for (const { bagValue } of value.safeBags) {
      if (bagValue instanceof CertBag && bagValue.parsedValue instanceof Certificate) {
        certificatesDer.push(new Uint8Array(bagValue.parsedValue.toSchema(true).toBER()));
      } else if (bagValue instanceof PKCS8ShroudedKeyBag) {
        // Declared as protected; pkijs's own examples open a bag this way.
        await (bagValue as unknown as OpenableBag).parseInternalValues(
          { password: toArrayBuffer(Buffer.from(password)) },
          engine,
        );
        privateKeyDer = keyDer(bagValue.parsedValue);
      } else if (bagValue instanceof PrivateKeyInfo) {
        privateKeyDer = keyDer(bagValue);
      }
    }
  }
  if (certificatesDer.length === 0 || privateKeyDer === undefined) {
    const missing = certificatesDer.length === 0 ? 'certificate' : 'private key';
    throw new DeviceAgentError('ERR_AGENT_IDENTITY_INVALID', `${label} holds no ${missing}.`, {
      advice: 'Export it with key and chain.',
    });
  }
  return { certificatesDer, privateKeyDer };
}

async function openSafe(bytes: Uint8Array, password: string, label: string): Promise<AuthenticatedSafe> {
  const passwordBytes = toArrayBuffer(Buffer.from(password, 'utf8'));
  let pfx: PFX;
  try {
    pfx = PFX.fromBER(toArrayBuffer(bytes));
  } catch (cause) {
    throw new DeviceAgentError(
      'ERR_AGENT_IDENTITY_INVALID',
      `${label} is not a PFX (PKCS #12): expected the binary file, found ${bytes.length} bytes of something else.`,
      { cause, advice: 'Name the file that was exported; PEM goes in as chain and key.' },
    );
  }
  try {
    await pfx.parseInternalValues({ password: passwordBytes, checkIntegrity: true }, engine);
    const safe = pfx.parsedValue?.authenticatedSafe;
    if (safe === undefined) throw new Error('no authenticated safe');
    // One entry for each part; an unencrypted part takes no notice of its password.
    await safe.parseInternalValues(
      { safeContents: safe.safeContents.map(() => ({ password: passwordBytes })) },
      engine,
    );
    return safe;
  } catch (cause) {
    throw new DeviceAgentError('ERR_AGENT_PASSWORD', `The password does not open ${label}.`, {
      cause,
      advice: 'Give the password that it was written with.',
    });
  }
}

function keyDer(key: PrivateKeyInfo | undefined): Uint8Array | undefined {
  return key && new Uint8Array(key.toSchema().toBER());
}

function toArrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
