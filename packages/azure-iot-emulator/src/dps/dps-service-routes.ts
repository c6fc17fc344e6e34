import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AccessTokens } from '../entra/access-tokens.ts';
import { formatTrackingTime } from '../hub/dotnet-time.ts';
import { serviceVersionProblem } from './api-version.ts';
import { attestationJson } from './attestation.ts';
import { runBulkOperation } from './bulk-operation.ts';
import type { DpsAssumptions } from './dps-assumptions.ts';
import { DpsError } from './dps-error.ts';
import { sendDpsError, toDpsError } from './dps-error-reply.ts';
import { type Enrollment, enrollmentJson } from './enrollment.ts';
import type { ProvisioningDirectory, ProvisioningInstance, ProvisioningRight } from './provisioning-instance.ts';
import { checkQuery, type Page, takePage } from './query.ts';
import type { RateLimit } from './rate-limit.ts';
import { registrationJson } from './registration-record.ts';
import { authorize } from './service-authorization.ts';

/** Options of {@link registerDpsServiceRoutes}. */
export interface DpsServiceOptions {
  readonly instances: ProvisioningDirectory;
  readonly tokens: AccessTokens;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Gets why a call was refused, which the client isn't told in such detail. */
  readonly log: (line: string) => void;
  readonly assumptions: DpsAssumptions;
  /** Counts the calls of each instance. */
  readonly operations: RateLimit;
}

interface IdRoute {
  Params: { id: string };
}

/** Registers the service plane of DPS: enrollments, enrollment groups and registration records. */
export function registerDpsServiceRoutes(app: FastifyInstance, options: DpsServiceOptions): void {
  app.setErrorHandler((error, request, reply) => answerError(options, error, request, reply));
  app.setNotFoundHandler((request) => {
    throw new DpsError('unsupported', `The emulator does not support ${request.method} ${pathOf(request)} of DPS.`);
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-ms-request-id', randomUUID());
    return checkApiVersion(options, request, reply);
  });
  registerEnrollmentRoutes(app, options, 'individual', '/enrollments');
  registerEnrollmentRoutes(app, options, 'group', '/enrollmentGroups');
  registerRegistrationRoutes(app, options);
}

function registerEnrollmentRoutes(
  app: FastifyInstance,
  options: DpsServiceOptions,
  kind: Enrollment['kind'],
  path: string,
): void {
  const open = (request: FastifyRequest, right: ProvisioningRight) => openInstance(options, request, right);
  const json = (instance: ProvisioningInstance, enrollment: Enrollment) => {
    const record = kind === 'individual' ? instance.registrations.find(enrollment.id) : undefined;
    return enrollmentJson(enrollment, record && registrationJson(record));
  };
  app.put<IdRoute>(`${path}/:id`, async (request) => {
    const instance = await open(request, 'EnrollmentWrite');
    return json(instance, instance.enrollments.put(kind, request.params.id, request.body, request.headers['if-match']));
  });
  app.get<IdRoute>(`${path}/:id`, async (request) => {
    const instance = await open(request, 'EnrollmentRead');
    return json(instance, instance.enrollments.get(kind, request.params.id));
  });
  app.delete<IdRoute>(`${path}/:id`, async (request, reply) => {
    const instance = await open(request, 'EnrollmentWrite');
    instance.enrollments.delete(kind, request.params.id, request.headers['if-match']);
    // An individual enrollment holds its device's registration state, a group doesn't (DPS documents, unprovisioning).
    if (kind === 'individual' && instance.registrations.find(request.params.id)) {
      instance.registrations.delete(request.params.id);
    }
    return reply.code(204).send();
  });
  app.post(`${path}/query`, async (request, reply) => {
    const instance = await open(request, 'EnrollmentRead');
    checkQuery(request.body, kind === 'group' ? 'enrollmentGroups' : 'enrollments');
    const page = takePage(instance.enrollments.list(kind), pageRequest(request));
    return sendPage(reply, page, kind === 'group' ? 'enrollmentGroup' : 'enrollment', (item) => json(instance, item));
  });
  app.post(path, async (request) => {
    const instance = await open(request, 'EnrollmentWrite');
    return runBulkOperation(instance.enrollments, kind, request.body);
  });
  app.post<IdRoute>(`${path}/:id/attestationmechanism`, async (request) => {
    const instance = await open(request, 'EnrollmentRead');
    return attestationJson(instance.enrollments.get(kind, request.params.id).attestation, true);
  });
}

function registerRegistrationRoutes(app: FastifyInstance, options: DpsServiceOptions): void {
  app.get<IdRoute>('/registrations/:id', async (request) => {
    const instance = await openInstance(options, request, 'RegistrationStatusRead');
    return registrationJson(instance.registrations.get(request.params.id));
  });
  app.delete<IdRoute>('/registrations/:id', async (request, reply) => {
    const instance = await openInstance(options, request, 'RegistrationStatusWrite');
    instance.registrations.delete(request.params.id, request.headers['if-match']);
    return reply.code(204).send();
  });
  app.post<IdRoute>('/registrations/:id/query', async (request, reply) => {
    const instance = await openInstance(options, request, 'RegistrationStatusRead');
    const groupId = request.params.id.toLowerCase();
    const records = instance.registrations
      .list()
      .filter(({ enrollmentGroupId }) => enrollmentGroupId?.toLowerCase() === groupId);
    return sendPage(reply, takePage(records, pageRequest(request)), 'deviceRegistration', registrationJson);
  });
}

async function openInstance(
  { instances, tokens, now, operations }: DpsServiceOptions,
  request: FastifyRequest,
  right: ProvisioningRight,
): Promise<ProvisioningInstance> {
  const instance = instances.findByHostName(request.host);
  if (instance === undefined) {
    throw new DpsError('unauthorized', 'Unauthorized', `no provisioning service answers to ${request.host}`);
  }
  await authorize(instance, tokens, {
    authorization: request.headers.authorization,
    isOwnHost: (hostName) => instances.findByHostName(hostName) === instance,
    path: pathOf(request).replace(/^\/|\/$/g, ''),
    right,
    nowMs: now(),
  });
  operations.count(instance.idScope);
  return instance;
}

/** The gateway in front of DPS refuses in the hub's classic shape (azure-iot-sdk-csharp issue 3479). */
function checkApiVersion(
  { now, assumptions }: DpsServiceOptions,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply | undefined {
  const version = (request.query as Readonly<Record<string, string | undefined>>)['api-version'];
  const known = serviceVersionProblem(version, assumptions.serviceVersion2019 === 'serve');
  if (known === undefined) return undefined;
  return reply.code(400).send({
    Message: `ErrorCode:ArgumentInvalid;Unknown api version; uri: ${pathOf(request)}; the emulator knows ${known}`,
    ExceptionMessage: `Tracking ID:${randomUUID().replaceAll('-', '')}-TimeStamp:${formatTrackingTime(now())}`,
  });
}

function answerError(
  options: DpsServiceOptions,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const known = toDpsError(error);
  options.log(
    `DPS ${request.method} ${pathOf(request)}: ${known.code} ${known.message} tracking ID ${known.trackingId} ${known.reason ?? ''}`.trimEnd(),
  );
  return sendDpsError(reply, known, options.now());
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?')[0] ?? '';
}

function pageRequest({ headers }: FastifyRequest): Parameters<typeof takePage>[1] {
  return { maxItemCount: header(headers['x-ms-max-item-count']), continuation: header(headers['x-ms-continuation']) };
}

function header(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function sendPage<Item>(
  reply: FastifyReply,
  page: Page<Item>,
  itemType: string,
  json: (item: Item) => object,
): FastifyReply {
  reply.header('x-ms-item-type', itemType).header('x-ms-max-item-count', String(page.pageSize));
  if (page.continuation !== undefined) reply.header('x-ms-continuation', page.continuation);
  return reply.send(page.items.map(json));
}
