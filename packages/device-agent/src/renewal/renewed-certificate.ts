import { X509Certificate } from 'node:crypto';
import { DeviceAgentError, textOf } from '../errors.ts';
import { loadIdentity, type DeviceIdentity } from '../identity/device-identity.ts';
import type { NewKey } from './new-key.ts';

const clientAuth = '1.3.6.1.5.5.7.3.2';
const anyUsage = '2.5.29.37.0';
const hourMs = 3_600_000;

/** What a new certificate is held against. */
export interface Renewed {
  readonly chainPem: string;
  readonly key: NewKey['key'];
  /** The credential in use. */
  readonly current: DeviceIdentity;
  /** The certificate whose life the new one has to exceed; undefined where that one is refused or has expired. */
  readonly outlives: DeviceIdentity | undefined;
  readonly now: Date;
}

/**
 * Reads what a source sent and checks that the device can live on it: same CN, our key, whole chain, valid now (or within an
 * hour), for longer than the old one, for TLS clients.
 *
 * @throws {DeviceAgentError} ERR_AGENT_RENEWAL_CERTIFICATE
 */
export async function readRenewed(renewed: Renewed): Promise<DeviceIdentity> {
  const { chainPem, key, current } = renewed;
  const identity = await loadIdentity({ chainPem, ...key }).catch((cause: unknown) => {
    throw new DeviceAgentError(
      'ERR_AGENT_RENEWAL_CERTIFICATE',
      `What came as a new certificate of ${current.registrationId} is not one for its new key: ${textOf(cause)}`,
      {
        cause,
        advice: 'A new one is asked for later; see what the source signs, and that it sends PEM with the whole chain.',
      },
    );
  });
  const problem = findProblem(identity, renewed);
  if (problem === undefined) return identity;
  const [what, advice] = problem;
  throw new DeviceAgentError(
    'ERR_AGENT_RENEWAL_CERTIFICATE',
    `The new certificate of ${current.registrationId} is not used: ${what}.`,
    { certificate: identity.certificate, advice },
  );
}

type Problem = readonly [what: string, advice: string];

function findProblem(identity: DeviceIdentity, { current, outlives, now }: Renewed): Problem | undefined {
  const { registrationId, notBefore, notAfter } = identity;
  const leaf = new X509Certificate(identity.chainPem);
  if (registrationId !== current.registrationId) {
    return [`its CN is ${registrationId}`, 'Have the same CN issued: DPS takes another one for another device.'];
  }
  if (leaf.ca) return ["it is an authority's", 'Issue it from the profile for devices.'];
  const usages = leaf.keyUsage as readonly string[] | undefined;
  if (usages && !usages.includes(clientAuth) && !usages.includes(anyUsage)) {
    return [`its extended key usage is ${usages.join(', ')}`, 'Issue it with clientAuth.'];
  }
  if (!isComplete(identity, current)) {
    return [
      `its chain ends with ${identity.chainSubjects.at(-1) ?? ''}, issued by ${identity.lastIssuer}`,
      `Have the source send the issuers too, up to ${current.lastIssuer}.`,
    ];
  }
  if (notBefore.getTime() > now.getTime() + hourMs) {
    return [`it is valid from ${notBefore.toISOString()}`, "Compare this device's clock with the issuer's."];
  }
  if (notAfter <= now)
    return [`it expired at ${notAfter.toISOString()}`, "Compare this device's clock with the issuer's."];
  if (outlives && notAfter <= outlives.notAfter) {
    return [
      `it ends at ${notAfter.toISOString()}, no later than the one in use`,
      'Ask for longer validity, or renew the authority that cuts it short.',
    ];
  }
  return undefined;
}

/** DPS wants everything up to what it has verified; which that is isn't known here, but the chain in use does. */
function isComplete(identity: DeviceIdentity, current: DeviceIdentity): boolean {
  const endsInRoot = identity.chainSubjects.at(-1) === identity.lastIssuer;
  return endsInRoot || identity.chainSubjects.length >= current.chainSubjects.length;
}
