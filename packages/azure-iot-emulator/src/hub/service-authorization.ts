import type { AccessTokens } from '../entra/access-tokens.ts';
import { HubError } from './hub-error.ts';
import type { IotHub } from './iot-hub.ts';
import type { AccessRight } from './shared-access-policy.ts';
import { coversPath, isSignedBy, lastValidMs, parseSharedAccessSignature } from './shared-access-signature.ts';

/** Audience of an Entra ID token for IoT Hub's service plane. */
const hubAudience = 'https://iothubs.azure.net';

/** A call of the service plane that wants in. */
export interface ServiceCall {
  /** Value of the Authorization header. */
  readonly authorization: string | undefined;
  /** Of the URL, without a slash at either end, without the query. */
  readonly path: string;
  readonly right: AccessRight;
}

/**
 * Lets a call in by a token of Entra ID (which may do everything: roles are not modelled) or by a shared access signature
 * of a policy that has the right.
 *
 * @throws {HubError} IotHubUnauthorized, IotHubUnauthorizedAccess
 */
export async function authorizeCall(hub: IotHub, tokens: AccessTokens, call: ServiceCall): Promise<void> {
  const bearer = /^Bearer (.+)$/i.exec(call.authorization ?? '')?.[1];
  if (bearer === undefined) {
    checkSignature(hub, call);
    return;
  }
  if (!(await tokens.isValid(bearer, [hubAudience]))) {
    throw unauthorized(`the bearer token is no valid one for ${hubAudience}`);
  }
}

function checkSignature(hub: IotHub, { authorization, path, right }: ServiceCall): void {
  const token = parseSharedAccessSignature(authorization ?? '');
  if (!token) throw unauthorized('the request carries neither a bearer token nor a shared access signature');
  if (hub.localAuthentication.disableLocalAuth) {
    throw unauthorized('the hub takes no shared access signatures (disableLocalAuth), only tokens of Entra ID');
  }
  if (hub.now() > lastValidMs(token)) throw unauthorized('the shared access signature has expired');
  if (!coversPath(token, { isOwnHost: (hostName) => hub.answersTo(hostName), path })) {
    throw unauthorized(`the shared access signature is for ${token.resource}`);
  }
  const policy = hub.sharedAccessPolicies.find(({ name }) => name === token.keyName);
  if (!policy) throw unauthorized(`there is no shared access policy '${token.keyName ?? ''}'`);
  if (!isSignedBy(token, [policy.primaryKey, policy.secondaryKey])) {
    throw unauthorized(`no key of policy '${policy.name}' made the signature`);
  }
  if (!policy.rights.includes(right)) {
    const text = `Authorization rule '${policy.name}' does not allow access for '${right}'`;
    throw new HubError('IotHubUnauthorizedAccess', { text, status: hub.assumptions.missingRight });
  }
}

function unauthorized(text: string): HubError {
  return new HubError('IotHubUnauthorized', { text });
}
