import { DeviceAgentError } from '../errors.ts';
import type { HandlerContext } from '../handler-call.ts';
import { describeIssues, issuesOf, type OutputOf, type StandardSchema } from '../schema/standard-schema.ts';
import type { Acknowledgement, Acknowledgements, DesiredChange, DesiredHandler } from './desired-properties.ts';
import type { JsonObject } from './merge-patch.ts';

/** A schema for each top-level property: an operator changes them one by one, and each is accepted or refused by itself. */
export type PropertySchemas = Readonly<Record<string, StandardSchema>>;

/** The properties of these schemas; each may be absent. */
export type PropertiesOf<Schemas extends PropertySchemas> = {
  readonly [Name in keyof Schemas]?: OutputOf<Schemas[Name]>;
};

/** A patch of the properties of these schemas; null removes one. */
export type PatchOf<Schemas extends PropertySchemas> = {
  readonly [Name in keyof Schemas]?: OutputOf<Schemas[Name]> | null;
};

/** A handler of desired properties with rules; `defineTwin` makes it. */
export interface DesiredDefinition<Properties extends object = JsonObject> {
  /** Without them, every property is handed over as it is. */
  readonly schemas?: PropertySchemas;
  handle(change: DesiredChange<Properties>, context: HandlerContext): ReturnType<DesiredHandler<Properties>>;
}

/** A twin whose types come from schemas. */
export interface TwinDefinition<Desired extends PropertySchemas, Reported extends PropertySchemas> {
  /**
   * The agent's `onDesired`. A property that breaks its schema is acknowledged with 400 and the reason, and the handler gets
   * the others; a property without a schema is neither handed over nor acknowledged.
   */
  onDesired(handler: DesiredHandler<PropertiesOf<Desired>>): DesiredDefinition<PropertiesOf<Desired>>;
  /**
   * What the agent's `report` takes, checked. Schemas have to answer at once and not with a promise.
   *
   * @throws {DeviceAgentError} ERR_AGENT_TWIN: the path, what was expected and found
   */
  reported(patch: PatchOf<Reported>): JsonObject;
}

/** Types and rules for the two sections of a twin. */
export function defineTwin<Desired extends PropertySchemas, Reported extends PropertySchemas>(schemas: {
  readonly desired: Desired;
  readonly reported: Reported;
}): TwinDefinition<Desired, Reported> {
  return {
    onDesired: (handle) => ({ schemas: schemas.desired, handle }),
    reported: (patch) =>
      Object.fromEntries(
        Object.entries<unknown>(patch).map(([name, value]) => [
          name,
          checkReportedValue(schemas.reported, name, value),
        ]),
      ),
  };
}

/** The change without what breaks a schema or has none, and the answers to what breaks one. */
export async function checkDesired(
  { schemas }: DesiredDefinition,
  change: DesiredChange,
): Promise<{ readonly accepted: DesiredChange; readonly refused: Acknowledgements }> {
  if (!schemas) return { accepted: change, refused: {} };
  const desired = new Map<string, unknown>();
  const properties = new Map<string, unknown>();
  const refused = new Map<string, Acknowledgement>();
  for (const [name, schema] of Object.entries(schemas)) {
    const isChanged = Object.hasOwn(change.properties, name);
    if (!Object.hasOwn(change.desired, name)) {
      if (isChanged) properties.set(name, null);
      continue;
    }
    const value = change.desired[name];
    const result = await schema['~standard'].validate(value);
    if (!result.issues) {
      desired.set(name, result.value);
      if (isChanged) properties.set(name, result.value);
    } else if (isChanged) {
      refused.set(name, { value, code: 400, description: describeIssues(issuesOf(result.issues, value)) });
    }
  }
  const accepted = { ...change, desired: Object.fromEntries(desired), properties: Object.fromEntries(properties) };
  return { accepted, refused: Object.fromEntries(refused) };
}

function checkReportedValue(schemas: PropertySchemas, name: string, value: unknown): unknown {
  if (value === null || value === undefined) return value;
  const schema = Object.hasOwn(schemas, name) ? schemas[name] : undefined;
  if (!schema) throw refusedReport(name, 'it has no schema');
  const result = schema['~standard'].validate(value);
  if (result instanceof Promise)
    throw new TypeError(`The schema of ${name} has to answer at once, not with a promise.`);
  if (result.issues) throw refusedReport(name, describeIssues(issuesOf(result.issues, value)));
  return result.value;
}

function refusedReport(name: string, why: string): DeviceAgentError {
  return new DeviceAgentError('ERR_AGENT_TWIN', `Reported property ${name} doesn't fit: ${why}.`, {
    advice: 'Report it as its schema says, or change the schema.',
  });
}
