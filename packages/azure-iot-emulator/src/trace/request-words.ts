import { findPlane, type PlaneName } from '../host-dispatch.ts';
import { plainText } from '../plain-text.ts';

/** Method, path and what they mean; `$1` and so on are the parts in parentheses, percent-decoded. */
type Rule = readonly [method: string, path: RegExp, words: string];

const hub: readonly Rule[] = [
  ['GET', /^\/devices$/, 'lists devices'],
  ['POST', /^\/devices$/, 'writes several devices'],
  ['POST', /^\/devices\/query$/, 'queries twins'],
  ['GET', /^\/devices\/([^/]+)$/, 'reads device $1'],
  ['PUT', /^\/devices\/([^/]+)$/, 'creates or changes device $1'],
  ['DELETE', /^\/devices\/([^/]+)$/, 'deletes device $1'],
  ['GET', /^\/devices\/([^/]+)\/modules$/, 'lists the modules of device $1'],
  ['GET', /^\/devices\/([^/]+)\/modules\/([^/]+)$/, 'reads module $2 of device $1'],
  ['PUT', /^\/devices\/([^/]+)\/modules\/([^/]+)$/, 'creates or changes module $2 of device $1'],
  ['DELETE', /^\/devices\/([^/]+)\/modules\/([^/]+)$/, 'deletes module $2 of device $1'],
  ['DELETE', /^\/devices\/(.+)\/commands$/, 'purges the messages for $1'],
  ['POST', /^\/devices\/(.+)\/messages\/devicebound$/, 'sends a message to $1'],
  ['GET', /^\/twins\/(.+)$/, 'reads the twin of $1'],
  ['PATCH', /^\/twins\/(.+)$/, 'changes the twin of $1'],
  ['PUT', /^\/twins\/(.+)$/, 'replaces parts of the twin of $1'],
  ['POST', /^\/twins\/(.+)\/methods$/, 'calls a method on $1'],
  ['GET', /^\/statistics\//, 'asks for statistics'],
  ['GET', /^\/messages\/servicebound\/feedback$/, 'asks for feedback'],
  ['DELETE', /^\/messages\/servicebound\/feedback\//, 'is done with feedback'],
  ['POST', /^\/messages\/servicebound\/feedback\/.*\/abandon$/, 'gives feedback back'],
  ['GET', /^\/emulator\/telemetry/, 'reads telemetry'],
  ['GET', /^\/emulator\/feedback/, 'reads feedback'],
];

const provisioningService: readonly Rule[] = [
  ['POST', /^\/enrollments\/query$/, 'queries individual enrollments'],
  ['POST', /^\/enrollmentgroups\/query$/, 'queries enrollment groups'],
  ['POST', /^\/registrations\/([^/]+)\/query$/, 'queries the registrations of group $1'],
  ['POST', /^\/(?:enrollments|enrollmentgroups)\/([^/]+)\/attestationmechanism$/, 'reads the keys of enrollment $1'],
  ['POST', /^\/enrollments$/, 'writes several individual enrollments'],
  ['POST', /^\/enrollmentgroups$/, 'writes several enrollment groups'],
  ['GET', /^\/(?:enrollments|enrollmentgroups)\/([^/]+)$/, 'reads enrollment $1'],
  ['PUT', /^\/(?:enrollments|enrollmentgroups)\/([^/]+)$/, 'creates or changes enrollment $1'],
  ['DELETE', /^\/(?:enrollments|enrollmentgroups)\/([^/]+)$/, 'deletes enrollment $1'],
  ['GET', /^\/registrations\/([^/]+)$/, 'reads the registration of $1'],
  ['DELETE', /^\/registrations\/([^/]+)$/, 'deletes the registration of $1'],
];

const provisioningDevice: readonly Rule[] = [
  ['PUT', /^\/[^/]+\/registrations\/([^/]+)\/register$/, 'device $1 asks to be registered'],
  ['GET', /^\/[^/]+\/registrations\/([^/]+)\/operations\//, 'device $1 asks how its registration stands'],
  ['POST', /^\/[^/]+\/registrations\/([^/]+)$/, 'device $1 asks for its registration'],
];

const entra: readonly Rule[] = [
  ['POST', /\/token$/, 'asks for an access token'],
  ['GET', /\/\.well-known\/openid-configuration$/, 'asks how Entra ID is set up'],
  ['GET', /\/discovery\//, "asks for Entra ID's keys or instances"],
];

const resourceManager: readonly Rule[] = [
  ['GET', /\/providers\/microsoft\.devices\/[^/]+\/([^/]+)$/, 'reads resource $1'],
  ['PUT', /\/providers\/microsoft\.devices\/[^/]+\/([^/]+)$/, 'creates or changes resource $1'],
  ['PATCH', /\/providers\/microsoft\.devices\/[^/]+\/([^/]+)$/, 'changes the tags of resource $1'],
  ['DELETE', /\/providers\/microsoft\.devices\/[^/]+\/([^/]+)$/, 'deletes resource $1'],
  ['POST', /\/listkeys$/, 'reads keys'],
  ['POST', /\/certificates\/([^/]+)\/generateverificationcode$/, 'asks for a verification code for certificate $1'],
  ['POST', /\/certificates\/([^/]+)\/verify$/, 'proves possession of certificate $1'],
  ['PUT', /\/certificates\/([^/]+)$/, 'uploads certificate $1'],
  ['DELETE', /\/certificates\/([^/]+)$/, 'deletes certificate $1'],
  ['GET', /\/certificates(?:\/([^/]+))?$/, 'reads certificates'],
  ['PUT', /\/resourcegroups\/([^/]+)$/, 'creates or changes resource group $1'],
  ['DELETE', /\/resourcegroups\/([^/]+)$/, 'deletes resource group $1'],
];

const rules: Readonly<Record<PlaneName, readonly Rule[]>> = {
  hub,
  provisioningService,
  provisioningDevice,
  entra,
  resourceManager,
};

/** What a request to one of the planes means; undefined where it is none that the trace knows. */
export function requestWords(method: string, host: string, path: string): string | undefined {
  const plane = findPlane(host, path);
  const found = plane && rules[plane].find(([wanted, pattern]) => wanted === method && insensitive(pattern).test(path));
  if (!found) return undefined;
  const [, pattern, words] = found;
  const match = insensitive(pattern).exec(path);
  return words.replace(/\$(\d)/g, (_all, index: string) => plainText(decoded(match?.[Number(index)] ?? '')));
}

/** Azure's paths compare without regard to case. */
function insensitive(pattern: RegExp): RegExp {
  return new RegExp(pattern, 'i');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
