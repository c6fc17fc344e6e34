import type { MqttConnect } from '../mqtt/service.ts';
import {
  certificateEndMs,
  chainProblem,
  type HubCertificateAuthority,
  thumbprintProblem,
} from './device-certificate.ts';
import type { ClientIdentity } from './hub-client.ts';
import { coversPath, isSignedBy, lastValidMs, parseSharedAccessSignature } from './shared-access-signature.ts';
import type { SharedAccessPolicy } from './shared-access-policy.ts';
import type { AuthenticationMethod } from './telemetry.ts';

/** What a device's credential is checked against. */
export interface AccessCheck {
  readonly identity: ClientIdentity;
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
export function checkAccess(check: AccessCheck): Access {
  const { identity, connect, authorities, nowMs } = check;
  const { type, x509Thumbprint } = identity.authentication;
  const { presentedChain } = connect;
  const ofCertificate = (problem: string | undefined): Access =>
    problem === undefined ? { method: 'x509', expiresMs: certificateEndMs(presentedChain) } : { problem };
  switch (type) {
    case 'selfSigned': {
      const thumbprints = [x509Thumbprint.primaryThumbprint, x509Thumbprint.secondaryThumbprint];
      return ofCertificate(thumbprintProblem(presentedChain, thumbprints, nowMs));
    }
    case 'certificateAuthority':
      return ofCertificate(chainProblem({ presentedChain, commonName: commonNameOf(identity), authorities, nowMs }));
    case 'sas':
      return tokenAccess(check);
    case 'none':
      return { problem: 'the identity has no credential of its own' };
  }
}

/** What the CN of a CA-signed certificate has to be: `{deviceId}`, or `{deviceId}/{moduleId}`. */
function commonNameOf({ deviceId, moduleId }: ClientIdentity): string {
  return moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`;
}

/** A token of the device's own key, or of a policy with the right DeviceConnect ("Control access with SAS"). */
function tokenAccess({ identity, connect, policies, isOwnHost, nowMs }: AccessCheck): Access {
  const token = connect.password && parseSharedAccessSignature(Buffer.from(connect.password).toString());
  if (!token) return { problem: 'the password is no shared access signature, which this identity needs' };
  if (nowMs > lastValidMs(token)) return { problem: 'the shared access signature has expired' };
  const isForDevice = [(text: string) => text, encodeURIComponent].some((encode) =>
    coversPath(token, { isOwnHost, path: pathOf(identity, encode) }),
  );
  if (!isForDevice) return { problem: `the shared access signature is for '${token.resource}'` };
  const expiresMs = lastValidMs(token);
  if (token.keyName === undefined) {
    const { primaryKey, secondaryKey } = identity.authentication.symmetricKey;
    return isSignedBy(token, [primaryKey, secondaryKey])
      ? { method: 'deviceKey', expiresMs }
      : {
          problem: `the shared access signature was not made with the ${identity.moduleId === undefined ? 'device' : 'module'}'s key`,
        };
  }
  const policy = policies.find(({ name }) => name === token.keyName);
  return policy?.rights.includes('DeviceConnect') && isSignedBy(token, [policy.primaryKey, policy.secondaryKey])
    ? { method: 'policyKey', expiresMs }
    : { problem: `the shared access signature was not made with a policy that has DeviceConnect: ${token.keyName}` };
}

function pathOf({ deviceId, moduleId }: ClientIdentity, encode: (text: string) => string): string {
  return `devices/${encode(deviceId)}${moduleId === undefined ? '' : `/modules/${encode(moduleId)}`}`;
}
