import type { X509Certificate } from 'node:crypto';
import { closeSync, constants, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { duplexPair } from 'node:stream';
import { connect, createSecureContext, TLSSocket, type SecureContext, type SecureContextOptions } from 'node:tls';
import { DeviceAgentError, textOf } from '../errors.ts';
import { certificateFacts } from '../network/certificate-facts.ts';
import type { DeviceIdentity } from './device-identity.ts';

/**
 * A private key in a PKCS#11 token (TPM, secure element, smart card, SoftHSM), used through OpenSSL's engine `pkcs11` of
 * libp11, by Node's own TLS. Linux; Debian's package is `libengine-pkcs11-openssl`.
 */
export interface TokenKey {
  /** RFC 7512, without a PIN, for example `pkcs11:token=Device;object=identity`. */
  readonly uri: string;
  /** The token's PKCS#11 library; default: what p11-kit knows. A process uses one. */
  readonly modulePath?: string;
  /** Where the PIN is read from at each use: a file, or a variable of the environment. Not needed by tokens without a login. */
  readonly pin?: { readonly file: string } | { readonly variable: string };
  /** Default: where Debian, Fedora and Alpine put it. */
  readonly enginePath?: string;
}

const triplets = ['x86_64-linux-gnu', 'aarch64-linux-gnu', 'arm-linux-gnueabihf', 'riscv64-linux-gnu'];
const engineFolders = [...triplets.map((triplet) => `/usr/lib/${triplet}`), '/usr/lib64', '/usr/lib'];

/** OpenSSL sees this by itself where both keys are of one kind. */
const keyMismatch = 'ERR_OSSL_X509_KEY_VALUES_MISMATCH';

let moduleInUse: string | undefined;

/** @throws {DeviceAgentError} ERR_AGENT_TOKEN, ERR_AGENT_PASSWORD */
export function openTokenContext(key: TokenKey, options: SecureContextOptions): SecureContext {
  const enginePath = findEngine(key);
  setModule(key.modulePath);
  // Found by name, the engine stays loaded, and says nothing on stderr; by path it complains at each use.
  process.env['OPENSSL_ENGINES'] = dirname(enginePath);
  const pin = key.pin && openPin(key.pin);
  try {
    const privateKeyIdentifier = pin === undefined ? key.uri : withPinSource(key.uri, pin);
    return createSecureContext({ ...options, privateKeyEngine: 'pkcs11', privateKeyIdentifier });
  } catch (cause) {
    throw (cause as { code?: unknown }).code === keyMismatch ? cause : explain(cause, key);
  } finally {
    if (pin !== undefined) closeSync(pin);
  }
}

/** The certificate that a token's key can belong to: no authority's, and no other one's issuer. */
export function findTokenLeaf(certificates: readonly X509Certificate[], label: string): X509Certificate {
  const leaves = certificates.filter(({ ca }) => !ca);
  const [leaf] = leaves;
  if (leaf && leaves.length === 1) return leaf;
  throw new DeviceAgentError(
    'ERR_AGENT_IDENTITY_INVALID',
    `${label} holds ${leaves.length} device certificates; expected exactly one beside its issuers.`,
    {
      advice: 'Keep the one whose key is in the token.',
      ...(leaf && { certificate: certificateFacts('device', leaf) }),
    },
  );
}

/**
 * A handshake with ourselves, in memory: the only way to see that a key which can't be read belongs to a certificate.
 *
 * @throws {DeviceAgentError} ERR_AGENT_TOKEN, ERR_AGENT_PASSWORD, ERR_AGENT_IDENTITY_INVALID
 */
export async function checkTokenKey(identity: DeviceIdentity & { readonly pkcs11: TokenKey }): Promise<void> {
  const { registrationId, chainPem, pkcs11, certificate } = identity;
  try {
    await shakeHands(openTokenContext(pkcs11, { cert: chainPem }));
  } catch (cause) {
    if (cause instanceof DeviceAgentError) throw cause;
    throw new DeviceAgentError(
      'ERR_AGENT_IDENTITY_INVALID',
      `The certificate of ${registrationId} is not one that the key ${pkcs11.uri} belongs to.`,
      { cause, certificate, advice: 'Pair the certificate with the key it was issued for.' },
    );
  }
}

async function shakeHands(secureContext: SecureContext): Promise<void> {
  const [near, far] = duplexPair();
  const server = new TLSSocket(near, { isServer: true, secureContext });
  const client = connect({ socket: far, rejectUnauthorized: false });
  try {
    await new Promise<void>((resolve, reject) => {
      server.on('error', reject);
      client.on('error', reject);
      client.on('secureConnect', resolve);
    });
  } finally {
    client.destroy();
    server.destroy();
  }
}

function findEngine({ enginePath }: TokenKey): string {
  const paths =
    enginePath === undefined ? engineFolders.map((folder) => `${folder}/engines-3/pkcs11.so`) : [enginePath];
  const found = paths.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new DeviceAgentError(
    'ERR_AGENT_TOKEN',
    `No engine for PKCS#11 at ${enginePath ?? 'any of the usual places'}.`,
    {
      advice: "Install libp11's engine for OpenSSL 3 (Debian: libengine-pkcs11-openssl), or name its pkcs11.so.",
    },
  );
}

/** The engine reads the variable once, when it is loaded. */
function setModule(modulePath: string | undefined): void {
  if (modulePath === undefined) return;
  if (!existsSync(modulePath)) {
    throw new DeviceAgentError('ERR_AGENT_TOKEN', `No PKCS#11 module at ${modulePath}.`, {
      advice: "Install the token's library, or mend the path.",
    });
  }
  if (moduleInUse !== undefined && moduleInUse !== modulePath) {
    throw new DeviceAgentError('ERR_AGENT_TOKEN', `This process uses ${moduleInUse} already, so not ${modulePath}.`, {
      advice: 'Run devices with different PKCS#11 modules in processes of their own, or let p11-kit join the modules.',
    });
  }
  moduleInUse = modulePath;
  process.env['PKCS11_MODULE_PATH'] = modulePath;
}

/** Linux's O_TMPFILE, which Node doesn't name: a file without a name, gone when it is closed. */
const unnamedFile = 0o20_000_000 | constants.O_DIRECTORY | constants.O_RDWR;

/**
 * The engine takes a PIN from a file or from the URI; the URI it prints when something fails. So the PIN goes to a file in
 * memory that has no name.
 */
function openPin(pin: NonNullable<TokenKey['pin']>): number {
  const text = readPin(pin);
  const file = openSync('/dev/shm', unnamedFile, 0o600);
  writeSync(file, text);
  return file;
}

function readPin(pin: NonNullable<TokenKey['pin']>): string {
  if ('variable' in pin) {
    const text = process.env[pin.variable];
    if (text !== undefined && text !== '') return text;
    throw new DeviceAgentError('ERR_AGENT_PASSWORD', `No PIN in the variable ${pin.variable}.`, {
      advice: "Set it for this service, or name the PIN's file.",
    });
  }
  try {
    return readFileSync(pin.file, 'utf8').trim();
  } catch (cause) {
    throw new DeviceAgentError('ERR_AGENT_IDENTITY_FILE', `Can't read the PIN from ${pin.file}: ${textOf(cause)}.`, {
      cause,
      advice: 'Check the path and its permissions.',
    });
  }
}

function withPinSource(uri: string, file: number): string {
  if (/[?&;]pin-/.test(uri)) {
    // Not shown: it may hold the PIN.
    throw new DeviceAgentError('ERR_AGENT_TOKEN', "The key's URI holds a PIN, or where to find it.", {
      advice: 'Give the PIN as a file or a variable: a URI ends up in logs.',
    });
  }
  return `${uri}${uri.includes('?') ? '&' : '?'}pin-source=file:/proc/self/fd/${file}`;
}

function explain(thrown: unknown, { uri, pin }: TokenKey): DeviceAgentError {
  const { code } = thrown as { code?: unknown };
  if (code === 'ERR_OSSL_PIN_INCORRECT' || code === 'ERR_OSSL_PIN_LOCKED') {
    const source = pin && ('file' in pin ? pin.file : pin.variable);
    return new DeviceAgentError(
      'ERR_AGENT_PASSWORD',
      `The token of ${uri} refuses the PIN from ${source ?? 'nowhere'}.`,
      {
        cause: thrown,
        advice: 'Correct it before the next start: tokens lock after a few wrong ones.',
      },
    );
  }
  if (thrown instanceof DeviceAgentError) return thrown;
  return new DeviceAgentError('ERR_AGENT_TOKEN', `Can't use the key ${uri}: ${textOf(thrown)}.`, {
    cause: thrown,
    advice: 'Check with p11tool or pkcs11-tool that this account sees the token, and the key in it by that name.',
  });
}
