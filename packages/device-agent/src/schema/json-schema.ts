import type { StandardIssue, StandardSchema } from './standard-schema.ts';

/** A compiled JSON schema, as ajv's `compile` makes it. */
export interface JsonSchemaValidator<Output> {
  (value: unknown): value is Output;
  readonly errors?: readonly JsonSchemaError[] | null | undefined;
}

/** What is wrong, as ajv tells it. */
export interface JsonSchemaError {
  /** JSON pointer, RFC 6901. */
  readonly instancePath: string;
  readonly message?: string | undefined;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * A JSON schema as a schema for methods and twins. The validator is yours (such as `new Ajv().compile(schema)`), so this
 * package depends on none.
 */
export function jsonSchema<Output>(validate: JsonSchemaValidator<Output>): StandardSchema<Output> {
  return {
    '~standard': {
      version: 1,
      vendor: 'json-schema',
      validate: (value) => (validate(value) ? { value } : { issues: (validate.errors ?? []).map(toIssue) }),
    },
  };
}

function toIssue({ instancePath, message = 'does not fit the schema', params = {} }: JsonSchemaError): StandardIssue {
  const path = instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const missing = params['missingProperty'];
  const unknown = params['additionalProperty'];
  for (const name of [missing, unknown]) if (typeof name === 'string') path.push(name);
  return { message, path };
}
