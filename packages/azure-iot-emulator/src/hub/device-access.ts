import type { MqttConnect } from '../mqtt/service.ts';
import { chainProblem, type HubCertificateAuthority, thumbprintProblem } from './device-certificate.ts';
import type { DeviceIdentity } from './device-identity.ts';
import { coversPath, isSignedBy, lastValidMs, parseSharedAccessSignature } from './shared-access-signature.ts';
import type { SharedAccessPolicy } from './shared-access-policy.ts';
import type { AuthenticationMethod } from './telemetry.ts';

/** What a device's credential is checked against. */
export interface AccessCheck {
  readonly identity: DeviceIdentity;
  readonly connect: Pick<MqttConnect, 'password' | 'presentedChain'>;
  readonly authorities: readonly HubCertificateAuthority[];
  readonly policies: readonly SharedAccessPolicy[];
  readonly isOwnHost: (hostName: string) => boolean;
  readonly nowMs: number;
}

/** How a device got in, or why it didn't. */
export type Access =
  { readonly method: AuthenticationMethod; readonly expiresMs: number | undefined } | { readonly problem: string };

/** Judges a device by what its identity asks for: certificate, CA, or key. */
export async function checkAccess(check: AccessCheck): Promise<Access> {
  const { identity, connect, authorities, nowMs } = check;
  const { type, x509Thumbprint } = identity.authentication;
  const { presentedChain } = connect;
  switch (type) {
    case 'selfSigned': {
      const thumbprints = [x509Thumbprint.primaryThumbprint, x509Thumbprint.secondaryThumbprint];
      return certificateAccess(thumbprintProblem(presentedChain, thumbprints, nowMs));
    }
    case 'certificateAuthority':
      return certificateAccess(await chainProblem({ presentedChain, deviceId: identity.deviceId, authorities, nowMs }));
    case 'sas':
      return tokenAccess(check);
    case 'none':
      return { problem: 'the identity has no credential of its own' };
  }
}

function certificateAccess(problem: string | undefined): Access {
  return problem === undefined ? { method: 'x509', expiresMs: undefined } : { problem };
}

/** A token of the device's own key, or of a policy with the right DeviceConnect ("Control access with SAS"). */
function tokenAccess({ identity, connect, policies, isOwnHost, nowMs }: AccessCheck): Access {
  const token = connect.password && parseSharedAccessSignature(Buffer.from(connect.password).toString());
  if (!token) return { problem: 'the password is no shared access signature, which this identity needs' };
  if (nowMs > lastValidMs(token)) return { problem: 'the shared access signature has expired' };
  const isForDevice = [identity.deviceId, encodeURIComponent(identity.deviceId)].some((id) =>
    coversPath(token, { isOwnHost, path: `devices/${id}` }),
  );
  if (!isForDevice) return { problem: `the shared access signature is for '${token.resource}'` };
  const expiresMs = lastValidMs(token);
  if (token.keyName === undefined) {
    const { primaryKey, secondaryKey } = identity.authentication.symmetricKey;
    return isSignedBy(token, [primaryKey, secondaryKey])
      ? { method: 'deviceKey', expiresMs }
      : { problem: "the shared access signature was not made with the device's key" };
  }
  const policy = policies.find(({ name }) => name === token.keyName);
  return policy?.rights.includes('DeviceConnect') && isSignedBy(token, [policy.primaryKey, policy.secondaryKey])
    ? { method: 'policyKey', expiresMs }
    : { problem: `the shared access signature was not made with a policy that has DeviceConnect: ${token.keyName}` };
}
