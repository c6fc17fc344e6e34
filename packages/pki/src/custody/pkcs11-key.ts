import { createHash, createPublicKey, randomBytes, type JsonWebKey, type KeyObject } from 'node:crypto';
import { keyAlgorithmOf, keyAlgorithmTerms, type KeyAlgorithm } from '../key-algorithm.ts';
import { publicKeyToDer } from '../private-key.ts';
import type { SigningKey } from '../signing-key.ts';
import { ecdsaSignatureToDer } from './ecdsa-signature.ts';
import { custodyError } from './custody-error.ts';
import { fromModule } from './pkcs11-error.ts';
import type { Pkcs11Library } from './pkcs11-module.ts';
import type { Session } from './pkcs11-session.ts';

/** How a key is found: by its label (CKA_LABEL), its ID (CKA_ID, hexadecimal), or both. */
export interface KeyName {
  label?: string;
  id?: string;
}

/** DER of the curves' object identifiers, which is how PKCS#11 names them (CKA_EC_PARAMS). */
const curveParameters: Readonly<Record<string, string>> = {
  prime256v1: '06082a8648ce3d030107',
  secp384r1: '06052b81040022',
};

export async function generateKey(
  session: Session,
  options: { label: string; id?: string; keyAlgorithm?: KeyAlgorithm },
): Promise<SigningKey> {
  const { pkcs11, library, handle, name } = session;
  const { label, id = randomBytes(8).toString('hex'), keyAlgorithm = 'P-256' } = options;
  const { key } = keyAlgorithmTerms(keyAlgorithm);
  const common = [
    { type: library.CKA_TOKEN, value: true },
    { type: library.CKA_LABEL, value: label },
    { type: library.CKA_ID, value: bytesOf(id) },
  ];
  const kind =
    key.type === 'ec'
      ? [{ type: library.CKA_EC_PARAMS, value: Buffer.from(curveParameters[key.namedCurve] ?? '', 'hex') }]
      : [
          { type: library.CKA_MODULUS_BITS, value: key.modulusLength },
          { type: library.CKA_PUBLIC_EXPONENT, value: Buffer.of(1, 0, 1) },
        ];
  const publicTemplate = [...common, ...kind, { type: library.CKA_VERIFY, value: true }];
  const privateTemplate = [...common, ...signingOnly(library)];
  const mechanism = key.type === 'ec' ? library.CKM_EC_KEY_PAIR_GEN : library.CKM_RSA_PKCS_KEY_PAIR_GEN;
  try {
    const pair = await pkcs11.C_GenerateKeyPairAsync(handle, { mechanism }, publicTemplate, privateTemplate);
    return keyOf(session, pair, `key "${label}"`);
  } catch (error) {
    throw fromModule(error, name, `making key "${label}"`);
  }
}

/** A private key that signs, does nothing else, and can't be taken out. */
function signingOnly(library: Pkcs11Library): { type: number; value: boolean }[] {
  return [
    { type: library.CKA_PRIVATE, value: true },
    { type: library.CKA_SENSITIVE, value: true },
    { type: library.CKA_EXTRACTABLE, value: false },
    { type: library.CKA_SIGN, value: true },
    // Where nothing is said, some modules allow these.
    { type: library.CKA_DECRYPT, value: false },
    { type: library.CKA_UNWRAP, value: false },
    { type: library.CKA_DERIVE, value: false },
  ];
}

export function findKey(session: Session, name: KeyName): SigningKey {
  if (name.label === undefined && name.id === undefined) throw new TypeError('Give a label or an id of the key.');
  const { library } = session;
  const privateKey = findOne(session, library.CKO_PRIVATE_KEY, name);
  // The halves of a pair belong together by their ID, whatever their labels.
  const [id] = read(session, privateKey, [library.CKA_ID]);
  const isNamed = id !== undefined && id.length > 0;
  const publicKey = findOne(session, library.CKO_PUBLIC_KEY, isNamed ? { id: id.toString('hex') } : name);
  try {
    return keyOf(session, { privateKey, publicKey }, describe(name));
  } catch (error) {
    throw fromModule(error, session.name, `reading ${describe(name)}`);
  }
}

export function isKeyThere(session: Session, name: KeyName): boolean {
  return findAll(session, session.library.CKO_PRIVATE_KEY, name).length > 0;
}

function findOne(session: Session, objectClass: number, name: KeyName): Buffer {
  const [found, ...more] = findAll(session, objectClass, name);
  if (found && more.length === 0) return found;
  const half = objectClass === session.library.CKO_PRIVATE_KEY ? 'private' : 'public';
  const count = found ? `${more.length + 1} ${half} keys, and not one,` : `no ${half} key`;
  throw custodyError('ERR_PKI_CUSTODY_KEY_MISSING', session.name, `has ${count} that is called ${describe(name)}`);
}

function findAll({ pkcs11, library, handle, name }: Session, objectClass: number, { label, id }: KeyName): Buffer[] {
  const template = [
    { type: library.CKA_CLASS, value: objectClass },
    ...(label === undefined ? [] : [{ type: library.CKA_LABEL, value: label }]),
    ...(id === undefined ? [] : [{ type: library.CKA_ID, value: bytesOf(id) }]),
  ];
  try {
    pkcs11.C_FindObjectsInit(handle, template);
    const found = pkcs11.C_FindObjects(handle, 16);
    pkcs11.C_FindObjectsFinal(handle);
    return found;
  } catch (error) {
    throw fromModule(error, name, 'looking for keys');
  }
}

function keyOf(session: Session, pair: { privateKey: Buffer; publicKey: Buffer }, owner: string): SigningKey {
  const publicKey = readPublicKey(session, pair.publicKey, owner);
  const keyAlgorithm = keyAlgorithmOf(publicKey, owner);
  return {
    keyAlgorithm,
    publicKeyDer: publicKeyToDer(publicKey),
    sign: (data) => session.exclusively(() => sign(session, pair.privateKey, { keyAlgorithm, data })),
  };
}

async function sign(
  { pkcs11, library, handle, name }: Session,
  privateKey: Buffer,
  { keyAlgorithm, data }: { keyAlgorithm: KeyAlgorithm; data: Uint8Array },
): Promise<Uint8Array> {
  const { key, hash } = keyAlgorithmTerms(keyAlgorithm);
  const isRsa = key.type === 'rsa';
  try {
    // Every token signs a hash with ECDSA; not every one hashes for it.
    const mechanism = isRsa ? library.CKM_SHA256_RSA_PKCS : library.CKM_ECDSA;
    const input = isRsa ? Buffer.from(data) : createHash(hash).update(data).digest();
    pkcs11.C_SignInit(handle, { mechanism }, privateKey);
    const signature = await pkcs11.C_SignAsync(handle, input, Buffer.alloc(512));
    return isRsa ? Uint8Array.from(signature) : ecdsaSignatureToDer(signature);
  } catch (error) {
    throw fromModule(error, name, 'signing');
  }
}

function readPublicKey(session: Session, handle: Buffer, owner: string): KeyObject {
  const { library } = session;
  const [kind] = read(session, handle, [library.CKA_KEY_TYPE]);
  const isRsa = kind?.readUInt32LE(0) === library.CKK_RSA;
  const jwk = isRsa ? readRsaKey(session, handle) : readEcKey(session, handle);
  if (!jwk) {
    throw custodyError(
      'ERR_PKI_CUSTODY_KEY_MISSING',
      session.name,
      `has ${owner}, but no key of a kind that is supported`,
    );
  }
  return createPublicKey({ key: jwk, format: 'jwk' });
}

function readRsaKey(session: Session, handle: Buffer): JsonWebKey {
  const { library } = session;
  const [n, e] = read(session, handle, [library.CKA_MODULUS, library.CKA_PUBLIC_EXPONENT]);
  return { kty: 'RSA', n: n?.toString('base64url') ?? '', e: e?.toString('base64url') ?? '' };
}

function readEcKey(session: Session, handle: Buffer): JsonWebKey | undefined {
  const { library } = session;
  const [parameters, point] = read(session, handle, [library.CKA_EC_PARAMS, library.CKA_EC_POINT]);
  const curve = parameters?.toString('hex');
  const crv =
    curve === curveParameters.prime256v1 ? 'P-256' : curve === curveParameters.secp384r1 ? 'P-384' : undefined;
  if (crv === undefined || !point) return undefined;
  // The point is the last part of its OCTET STRING, or (with older tokens) all there is.
  const length = crv === 'P-256' ? 32 : 48;
  const coordinates = point.subarray(-2 * length);
  const [x, y] = [coordinates.subarray(0, length), coordinates.subarray(length)];
  return { kty: 'EC', crv, x: x.toString('base64url'), y: y.toString('base64url') };
}

function read({ pkcs11, handle, name }: Session, object: Buffer, types: number[]): (Buffer | undefined)[] {
  try {
    const found = pkcs11.C_GetAttributeValue(
      handle,
      object,
      types.map((type) => ({ type })),
    );
    return types.map((type) => found.find((attribute) => attribute.type === type)?.value);
  } catch (error) {
    throw fromModule(error, name, 'reading a key');
  }
}

function bytesOf(id: string): Buffer {
  if (!/^(?:[0-9a-f]{2})+$/i.test(id)) throw new TypeError('The id of a key is hexadecimal, two digits for each byte.');
  return Buffer.from(id, 'hex');
}

function describe({ label, id }: KeyName): string {
  return [label === undefined ? '' : `"${label}"`, id === undefined ? '' : `ID ${id}`].filter(Boolean).join(', ');
}
