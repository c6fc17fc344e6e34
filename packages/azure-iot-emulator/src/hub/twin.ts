import type { HubAssumptions } from './hub-assumptions.ts';
import { HubError } from './hub-error.ts';
import { isJsonObject, type JsonObject, type JsonValue } from './json.ts';
import {
  createSection,
  mergeJson,
  patchSection,
  replaceSection,
  replacementPatch,
  sectionForDevice,
  type TwinSection,
} from './twin-section.ts';
import { checkTwinSize, checkTwinValues, type TwinPart } from './twin-limits.ts';

/** A device's twin; every change makes a new one. */
export interface Twin {
  /** Counts the back end's writes; its etag is made of it. */
  readonly etagCounter: number;
  /** Counts every write. */
  readonly version: number;
  /** Undefined until first written. */
  readonly tags: JsonObject | undefined;
  readonly desired: TwinSection;
  readonly reported: TwinSection;
}

/** What a twin starts with. */
export interface TwinContent {
  readonly tags?: JsonObject | undefined;
  readonly desired?: JsonObject | undefined;
  readonly reported?: JsonObject | undefined;
}

/** A back end's change, and what the device is to be told of it. */
export interface TwinChange {
  readonly twin: Twin;
  /** Undefined where desired properties stayed as they were. */
  readonly desiredPatch: JsonObject | undefined;
}

/** When a back end writes, and what the emulator assumes of it. */
export interface TwinWrite {
  readonly nowMs: number;
  readonly assumptions: HubAssumptions;
}

/** Version 2 and first etag, as new twins have in captures. @throws {HubError} ArgumentInvalid */
export function createTwin(nowMs: number, content: TwinContent = {}): Twin {
  const { tags, desired = {}, reported = {} } = content;
  for (const [part, properties] of Object.entries({ tags, desired, reported })) {
    if (properties) check(part as TwinPart, properties, properties);
  }
  return {
    etagCounter: 1,
    version: 2,
    tags,
    desired: createSection(desired, nowMs),
    reported: createSection(reported, nowMs),
  };
}

/** Reads and merges a back end's PATCH: `tags` and `properties.desired`; anything else in the body is ignored. */
export function patchTwin(twin: Twin, request: JsonObject, { nowMs, assumptions }: TwinWrite): TwinChange {
  const tags = readPart(request.tags, 'tags');
  const desired = readPart(isJsonObject(request.properties) ? request.properties.desired : undefined, 'desired');
  // null takes away whatever is there.
  const desiredPatch = desired === null ? replacementPatch(twin.desired.properties, {}) : desired;
  return write(twin, {
    tags: tags === null ? {} : tags && merged('tags', twin.tags ?? {}, tags),
    desired: desiredPatch && checkedPatch('desired', twin.desired, desiredPatch, { nowMs, keepsVersions: true }),
    desiredPatch: desired === null && desiredPatch ? told(desiredPatch, assumptions) : desiredPatch,
  });
}

/** Takes `tags` and `properties.desired` in place of the old ones; of a part that isn't named the assumption decides. */
export function replaceTwin(twin: Twin, request: JsonObject, { nowMs, assumptions }: TwinWrite): TwinChange {
  const properties = isJsonObject(request.properties) ? request.properties : {};
  const missing = assumptions.twinPutMissingSection === 'clear' ? null : undefined;
  const tags = readPart(request.tags === undefined ? missing : request.tags, 'tags');
  const desired = readPart(properties.desired === undefined ? missing : properties.desired, 'desired');
  if (tags) check('tags', tags, tags);
  if (desired) check('desired', desired, desired);
  const replacement =
    desired === undefined ? undefined : replaceSection(twin.desired, desired ?? {}, { nowMs, keepsVersions: true });
  return write(twin, {
    tags: tags && mergeJson({}, tags),
    desired: replacement,
    desiredPatch: replacement && told(replacementPatch(twin.desired.properties, replacement.properties), assumptions),
  });
}

/** What a device hears of a change that took properties away without naming them. */
function told(patch: JsonObject, { removedDesiredProperties }: HubAssumptions): JsonObject {
  if (removedDesiredProperties === 'nulls') return patch;
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== null));
}

/** Merges what a device reports. @throws {HubError} ArgumentInvalid */
export function patchReported(twin: Twin, patch: JsonValue, nowMs: number): Twin {
  if (!isJsonObject(patch)) throw new HubError('ArgumentInvalid', { text: 'reported properties have to be an object' });
  const reported = checkedPatch('reported', twin.reported, patch, { nowMs, keepsVersions: false });
  return { ...twin, version: twin.version + 1, reported };
}

/** What a device gets when it asks for its twin: no tags, no metadata. */
export function twinForDevice(twin: Twin): JsonObject {
  return { desired: sectionForDevice(twin.desired), reported: sectionForDevice(twin.reported) };
}

interface Writes {
  readonly tags: JsonObject | null | undefined;
  readonly desired: TwinSection | undefined;
  readonly desiredPatch: JsonObject | undefined;
}

function write(twin: Twin, { tags, desired, desiredPatch }: Writes): TwinChange {
  return {
    twin: {
      etagCounter: twin.etagCounter + 1,
      version: twin.version + 1,
      tags: tags === undefined ? twin.tags : (tags ?? {}),
      desired: desired ?? twin.desired,
      reported: twin.reported,
    },
    desiredPatch,
  };
}

/** Clients send whole twins back: `$metadata` and `$version` are not theirs to write and are left out. */
function readPart(value: JsonValue | undefined, part: TwinPart): JsonObject | null | undefined {
  if (value === undefined || value === null) return value;
  if (!isJsonObject(value)) throw new HubError('ArgumentInvalid', { text: `${part} has to be an object` });
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== '$metadata' && key !== '$version'));
}

function checkedPatch(
  part: TwinPart,
  section: TwinSection,
  patch: JsonObject,
  sectionWrite: { readonly nowMs: number; readonly keepsVersions: boolean },
): TwinSection {
  checkTwinValues(part, patch);
  const next = patchSection(section, patch, sectionWrite);
  checkTwinSize(part, next.properties);
  return next;
}

function merged(part: TwinPart, current: JsonObject, patch: JsonObject): JsonObject {
  const next = mergeJson(current, patch);
  check(part, patch, next);
  return next;
}

function check(part: TwinPart, written: JsonObject, whole: JsonObject): void {
  checkTwinValues(part, written);
  checkTwinSize(part, whole);
}
