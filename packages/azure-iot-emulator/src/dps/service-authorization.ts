import type { AccessTokens } from '../entra/access-tokens.ts';
import { coversPath, isSignedBy, lastValidMs, parseSharedAccessSignature } from '../hub/shared-access-signature.ts';
import { DpsError } from './dps-error.ts';
import type { ProvisioningInstance, ProvisioningPolicy, ProvisioningRight } from './provisioning-instance.ts';

/** Audience of an Entra ID token for DPS's service plane. */
export const PROVISIONING_AUDIENCE = 'https://azure-devices-provisioning.net';

/** A call of the service plane that wants in. */
export interface ServiceCall {
  /** Value of the Authorization header. */
  readonly authorization: string | undefined;
  readonly isOwnHost: (hostName: string) => boolean;
  /** Without a slash at either end. */
  readonly path: string;
  readonly right: ProvisioningRight;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/**
 * Lets a call in by a token of Entra ID or by a shared access signature of one of the instance's policies.
 *
 * @throws {DpsError} unauthorized
 */
export async function authorize(
  instance: ProvisioningInstance,
  tokens: AccessTokens,
  call: ServiceCall,
): Promise<void> {
  const bearer = /^Bearer (.+)$/i.exec(call.authorization ?? '')?.[1];
  const reason =
    bearer === undefined
      ? signatureProblem(instance.settings.policies, call)
      : (await tokens.isValid(bearer, [PROVISIONING_AUDIENCE]))
        ? undefined
        : `the bearer token is not a valid one for ${PROVISIONING_AUDIENCE}`;
  if (reason !== undefined) throw new DpsError('unauthorized', 'Unauthorized', reason);
}

function signatureProblem(policies: readonly ProvisioningPolicy[], call: ServiceCall): string | undefined {
  const token = parseSharedAccessSignature(call.authorization ?? '');
  if (token === undefined) return 'the request carries neither a bearer token nor a shared access signature';
  if (lastValidMs(token) < call.nowMs) return 'the shared access signature has expired';
  if (!coversPath(token, call)) return `the shared access signature is for ${token.resource}`;
  const policy = policies.find(({ name }) => name === token.keyName);
  if (policy === undefined) return `there is no policy '${token.keyName ?? ''}'`;
  if (!isSignedBy(token, [policy.primaryKey, policy.secondaryKey]))
    return `no key of policy '${policy.name}' made the signature`;
  if (!allows(policy, call.right)) return `policy '${policy.name}' does not have the right ${call.right}`;
  return undefined;
}

/** Writing includes reading; ServiceConfig, the right of the default policy, includes all (inferred: that policy can do all). */
function allows({ rights }: ProvisioningPolicy, wanted: ProvisioningRight): boolean {
  return (
    rights.includes('ServiceConfig') ||
    rights.includes(wanted) ||
    rights.some((right) => right === wanted.replace('Read', 'Write'))
  );
}
