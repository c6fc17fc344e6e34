import { timingSafeEqual, createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { plainText } from '../plain-text.ts';
import { EntraError } from './entra-error.ts';
import type { ServicePrincipal } from './service-principal.ts';
import { TOKEN_LIFETIME_SECONDS, type TokenAuthority } from './token-authority.ts';

/** What the Entra ID plane answers with. */
export interface EntraPlane {
  readonly authority: TokenAuthority;
  readonly principal: ServicePrincipal;
  /** Resources that a token may be asked for, for example `https://management.azure.com`. */
  readonly audiences: readonly string[];
  /** Base address of Resource Manager, which clients may ask a token for, for example `https://localhost:8443`. */
  readonly origin: string;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Gets one line for each request that is refused. */
  readonly log: (line: string) => void;
}

/**
 * Registers OpenID configuration, key set, token endpoint and instance discovery.
 *
 * `adfs` is taken for the tenant too: the Azure CLI asks there where instance discovery on the internet is to be left out.
 */
export function registerEntraRoutes(app: FastifyInstance, plane: EntraPlane): void {
  for (const path of ['/:tenant/v2.0/.well-known/openid-configuration', '/:tenant/.well-known/openid-configuration']) {
    app.get<TenantRoute>(path, (request, reply) =>
      answer(plane, reply, () =>
        openIdConfiguration(plane, originOf(request), requireTenant(plane, request.params.tenant)),
      ),
    );
  }
  app.get<TenantRoute>('/:tenant/discovery/v2.0/keys', (request, reply) =>
    answer(plane, reply, () => {
      requireTenant(plane, request.params.tenant);
      return plane.authority.keySet();
    }),
  );
  for (const path of ['/:tenant/oauth2/v2.0/token', '/:tenant/oauth2/token']) {
    app.post<TenantRoute & { Body: unknown }>(path, (request, reply) =>
      answer(plane, reply, () => token(plane, request, formFields(request.body))),
    );
  }
  app.get('/common/discovery/instance', (request) => instanceDiscovery(plane, originOf(request)));
}

/** Clients check that what an authority says of itself begins as they know it: `https://` and the host they asked. */
function originOf({ host }: Pick<FastifyRequest, 'host'>): string {
  return `https://${host}`;
}

interface TenantRoute {
  Params: { tenant: string };
}

async function answer(plane: EntraPlane, reply: FastifyReply, work: () => unknown): Promise<unknown> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof EntraError)) throw error;
    plane.log(`Entra ID refused: AADSTS${error.kind.number} ${plainText(error.message)}`);
    return reply.code(error.kind.status).send(error.body(plane.now()));
  }
}

function requireTenant(plane: EntraPlane, tenant: string): string {
  if (![plane.principal.tenantId, 'adfs'].includes(tenant.toLowerCase())) {
    throw new EntraError(
      'unknownTenant',
      `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.`,
    );
  }
  return tenant;
}

function issuer(plane: EntraPlane, origin: string): string {
  return `${origin}/${plane.principal.tenantId}/v2.0`;
}

function openIdConfiguration(plane: EntraPlane, origin: string, tenant: string): Record<string, unknown> {
  const base = `${origin}/${tenant}`;
  return {
    token_endpoint: `${base}/oauth2/v2.0/token`,
    token_endpoint_auth_methods_supported: ['client_secret_post'],
    jwks_uri: `${base}/discovery/v2.0/keys`,
    response_modes_supported: ['query', 'fragment', 'form_post'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['ES256'],
    response_types_supported: ['code', 'id_token', 'token'],
    scopes_supported: ['openid'],
    grant_types_supported: ['client_credentials'],
    issuer: issuer(plane, origin),
    authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
    claims_supported: ['sub', 'iss', 'aud', 'exp', 'iat', 'nbf', 'tid', 'appid'],
    tenant_region_scope: null,
    cloud_instance_name: new URL(origin).host,
  };
}

function instanceDiscovery(plane: EntraPlane, origin: string): Record<string, unknown> {
  const host = new URL(origin).host;
  return {
    tenant_discovery_endpoint: `${origin}/${plane.principal.tenantId}/v2.0/.well-known/openid-configuration`,
    'api-version': '1.1',
    metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }],
  };
}

function formFields(body: unknown): URLSearchParams {
  return body instanceof URLSearchParams ? body : new URLSearchParams();
}

async function token(
  plane: EntraPlane,
  request: FastifyRequest<TenantRoute>,
  form: URLSearchParams,
): Promise<Record<string, unknown>> {
  requireTenant(plane, request.params.tenant);
  const grant = requireField(form, 'grant_type');
  if (grant !== 'client_credentials') {
    throw new EntraError('unsupportedGrant', `The app requested an unsupported grant type '${grant}'.`);
  }
  checkClient(plane.principal, requireField(form, 'client_id'), requireField(form, 'client_secret'));
  const audience = requestedAudience(plane, form);
  return {
    token_type: 'Bearer',
    expires_in: TOKEN_LIFETIME_SECONDS,
    ext_expires_in: TOKEN_LIFETIME_SECONDS,
    access_token: await plane.authority.issue(audience, issuer(plane, originOf(request))),
  };
}

function requireField(form: URLSearchParams, name: string): string {
  const value = form.get(name);
  if (!value) throw new EntraError('missingField', `The request body must contain the following parameter: '${name}'.`);
  return value;
}

function checkClient(principal: ServicePrincipal, clientId: string, secret: string): void {
  if (clientId.toLowerCase() !== principal.clientId) {
    throw new EntraError(
      'unknownApplication',
      `Application with identifier '${clientId}' was not found in the directory '${principal.tenantId}'.`,
    );
  }
  const digest = (text: string) => createHash('sha256').update(text).digest();
  if (!timingSafeEqual(digest(secret), digest(principal.clientSecret))) {
    throw new EntraError(
      'wrongSecret',
      'Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, ' +
        `not the client secret ID, for a secret added to app '${clientId}'.`,
    );
  }
}

/** `scope` is `{resource}/.default` in the v2.0 protocol; the older one has the bare `resource`. */
function requestedAudience(plane: EntraPlane, form: URLSearchParams): string {
  const resource = form.get('resource') ?? resourceOfScope(requireField(form, 'scope'));
  const known = [...plane.audiences, plane.origin];
  if (!known.some((audience) => audience === resource.replace(/\/+$/, ''))) {
    throw new EntraError(
      'unknownResource',
      `The resource principal named ${resource} was not found in the tenant named ${plane.principal.tenantId}. ` +
        `The emulator knows ${known.join(', ')}.`,
    );
  }
  return resource;
}

function resourceOfScope(scope: string): string {
  const resource = scope.split(' ').find((part) => part.endsWith('/.default'));
  if (resource === undefined) {
    throw new EntraError(
      'invalidScope',
      `The provided value for the input parameter 'scope' is not valid: ${scope}. ` +
        'Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).',
    );
  }
  return resource.slice(0, -'/.default'.length);
}
