import type { TokenCredential } from '@azure/core-auth';
import {
  bearerTokenAuthenticationPolicy,
  createDefaultHttpClient,
  createHttpHeaders,
  createPipelineFromOptions,
  createPipelineRequest,
} from '@azure/core-rest-pipeline';
import type { HttpMethods, PipelinePolicy, PipelineResponse, PipelineRetryOptions } from '@azure/core-rest-pipeline';
import { DpsAdminError } from '../errors.ts';
import { answerError, attempt } from './attempt.ts';
import type { Task } from './attempt.ts';
import { readAzureFailure } from './azure-failure.ts';

export interface RestRequest {
  readonly task: Task;
  readonly method: HttpMethods;
  /** Absolute, with its query. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Azure's codes that mean "there is no such item": the answer is then undefined instead of an error. */
  readonly absentCodes?: readonly string[];
}

export interface RestAnswer {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
  /** Parsed JSON; undefined where the answer had no body. */
  readonly body: unknown;
}

/** Requests to one plane of Azure, with its tokens; retries 429 and 5xx as Retry-After says. */
export interface RestClient {
  send(request: RestRequest): Promise<RestAnswer | undefined>;
}

export interface RestClientOptions {
  readonly credential: TokenCredential;
  readonly audience: string;
  readonly policies: readonly PipelinePolicy[];
  readonly retryOptions: PipelineRetryOptions;
}

export function createRestClient({ credential, audience, policies, retryOptions }: RestClientOptions): RestClient {
  const httpClient = createDefaultHttpClient();
  const pipeline = createPipelineFromOptions({
    retryOptions,
    userAgentOptions: { userAgentPrefix: 'contoso-dps-admin' },
  });
  for (const policy of policies) pipeline.addPolicy(policy, { afterPhase: 'Retry' });
  pipeline.addPolicy(bearerTokenAuthenticationPolicy({ credential, scopes: `${audience}/.default` }));
  return {
    async send(request) {
      const answer = await attempt(request.task, () => pipeline.sendRequest(httpClient, toPipelineRequest(request)));
      return readAnswer(answer, request);
    },
  };
}

function toPipelineRequest(request: RestRequest): ReturnType<typeof createPipelineRequest> {
  return createPipelineRequest({
    url: request.url,
    method: request.method,
    headers: createHttpHeaders({
      Accept: 'application/json',
      ...(request.body === undefined ? {} : { 'Content-Type': 'application/json; charset=utf-8' }),
      ...request.headers,
    }),
    ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
  });
}

function readAnswer(answer: PipelineResponse, request: RestRequest): RestAnswer | undefined {
  const { status, bodyAsText } = answer;
  const header = (name: string): string | undefined => answer.headers.get(name);
  const body = bodyAsText ?? undefined;
  if (status < 200 || status >= 300) {
    const { azureCode } = readAzureFailure(header, body);
    if (status === 404 && azureCode !== undefined && request.absentCodes?.includes(azureCode) === true)
      return undefined;
    throw answerError({ status, header, body, task: request.task });
  }
  if (body === undefined || body === '') return { status, header, body: undefined };
  try {
    return { status, header, body: JSON.parse(body) };
  } catch (cause) {
    throw new DpsAdminError(
      'ERR_UNEXPECTED_ANSWER',
      `Could not ${request.task.doing}: the answer of ${new URL(request.url).host} is not JSON (HTTP ${status}). Check the cloud’s endpoints: a proxy or another server may have answered.`,
      { advice: 'fix-input', httpStatus: status, cause },
    );
  }
}
