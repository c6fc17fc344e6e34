import { randomUUID } from 'node:crypto';
import { type CryptoKey, type JWK, SignJWT, exportJWK, generateKeyPair, importJWK, jwtVerify } from 'jose';
import type { AccessTokens } from './access-tokens.ts';
import type { ServicePrincipal } from './service-principal.ts';

/** Seconds for which a token of Entra ID's client-credentials flow is good. */
export const TOKEN_LIFETIME_SECONDS = 3600;

/** The key that tokens are signed with, as it is kept; holds a secret. */
export interface TokenKey {
  readonly privateJwk: JWK;
  readonly keyId: string;
}

/** A new P-256 key. */
export async function createTokenKey(): Promise<TokenKey> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { privateJwk: await exportJWK(privateKey), keyId: randomUUID() };
}

interface SigningKey {
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly keyId: string;
}

/** Issues and checks the access tokens of the emulator's tenant: JWTs signed with ES256 by a key made at start. */
export class TokenAuthority implements AccessTokens {
  readonly #key: SigningKey;
  readonly #principal: ServicePrincipal;
  readonly #now: () => number;

  private constructor(key: SigningKey, principal: ServicePrincipal, now: () => number) {
    this.#key = key;
    this.#principal = principal;
    this.#now = now;
  }

  /** `now` gives Unix milliseconds. */
  static async create(principal: ServicePrincipal, now: () => number, kept?: TokenKey): Promise<TokenAuthority> {
    const { privateJwk, keyId } = kept ?? (await createTokenKey());
    const { d: _secret, ...publicJwk } = privateJwk;
    const [privateKey, publicKey] = await Promise.all([importJWK(privateJwk, 'ES256'), importJWK(publicJwk, 'ES256')]);
    return new TokenAuthority(
      { privateKey: privateKey as CryptoKey, publicKey: publicKey as CryptoKey, keyId },
      principal,
      now,
    );
  }

  /** A token of the emulator's service principal; `audience` is the resource as the client wrote it. */
  issue(audience: string, issuer: string): Promise<string> {
    const { tenantId, clientId } = this.#principal;
    const issuedAt = Math.floor(this.#now() / 1000);
    return new SignJWT({ appid: clientId, idtyp: 'app', oid: clientId, tid: tenantId, ver: '1.0' })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: this.#key.keyId })
      .setIssuer(issuer)
      .setSubject(clientId)
      .setAudience(audience)
      .setIssuedAt(issuedAt)
      .setNotBefore(issuedAt)
      .setExpirationTime(issuedAt + TOKEN_LIFETIME_SECONDS)
      .sign(this.#key.privateKey);
  }

  async isValid(bearerToken: string, audiences: readonly string[]): Promise<boolean> {
    try {
      const { payload } = await jwtVerify(bearerToken, this.#key.publicKey, {
        algorithms: ['ES256'],
        currentDate: new Date(this.#now()),
        requiredClaims: ['exp', 'aud'],
      });
      const accepted = audiences.map(withoutTrailingSlashes);
      return [payload.aud].flat().some((audience) => accepted.includes(withoutTrailingSlashes(audience ?? '')));
    } catch {
      return false;
    }
  }

  /** RFC 7517 key set with which a client may check the tokens. */
  async keySet(): Promise<{ readonly keys: readonly JWK[] }> {
    const jwk = await exportJWK(this.#key.publicKey);
    return { keys: [{ ...jwk, kid: this.#key.keyId, use: 'sig', alg: 'ES256' }] };
  }
}

function withoutTrailingSlashes(audience: string): string {
  return audience.replace(/\/+$/, '');
}
