import type { FastifyInstance } from 'fastify';
import { isJsonObject, type JsonObject } from '../hub/json.ts';
import { ProviderError } from './arm-error.ts';
import type { ArmRequest, ArmRoute } from './arm-request.ts';
import type { CaCertificate, CaCertificates } from './ca-certificates.ts';
import { requireActive, type Resource, resourceId } from './resource.ts';
import type { DevicesType } from './api-version.ts';

/** Since 2021 Azure has no better time for a certificate's creation. */
const CREATED = 'Mon, 01 Jan 0001 00:00:00 GMT';

interface Owner extends Resource {
  readonly certificates: CaCertificates;
}

/** Options of {@link registerCertificateRoutes}. */
export interface CertificateRoutes {
  /** Path of the owning resource, with parameters. */
  readonly path: string;
  readonly type: DevicesType;
  /** Checks the api-version too. */
  readonly findOwner: (request: ArmRequest) => Owner;
  /** A DPS shows the uploaded text in the answer that brings the code only, a hub always. */
  readonly showsContent: boolean;
}

/** Registers the six calls on CA certificates, which DPS instances and hubs have alike. */
export function registerCertificateRoutes(app: FastifyInstance, routes: CertificateRoutes): void {
  const item = `${routes.path}/certificates/:certificate`;
  const show = (owner: Owner, certificate: CaCertificate, extra: JsonObject = {}) =>
    certificateJson(owner, certificate, { ...routes, extra });
  app.get<ArmRoute>(`${routes.path}/certificates`, (request) => {
    const owner = routes.findOwner(request);
    return { value: owner.certificates.list().map((certificate) => show(owner, certificate)) };
  });
  app.get<ArmRoute>(item, (request) => {
    const owner = routes.findOwner(request);
    return show(owner, owner.certificates.get(request.params.certificate));
  });
  app.put<ArmRoute>(item, (request) => {
    const owner = findActive(routes, request);
    const { certificate, isVerified } = uploadOf(request.body);
    return show(
      owner,
      owner.certificates.put(request.params.certificate, certificate, {
        isVerified,
        ifMatch: request.headers['if-match'],
      }),
    );
  });
  app.post<ArmRoute>(`${item}/generateVerificationCode`, (request) => {
    const owner = findActive(routes, request);
    const written = owner.certificates.generateVerificationCode(
      request.params.certificate,
      request.headers['if-match'],
    );
    return show(owner, written, { verificationCode: written.verificationCode ?? '' });
  });
  app.post<ArmRoute>(`${item}/verify`, (request) => {
    const owner = findActive(routes, request);
    const { certificate } = uploadOf(request.body);
    return show(owner, owner.certificates.verify(request.params.certificate, certificate, request.headers['if-match']));
  });
  app.delete<ArmRoute>(item, (request, reply) => {
    findActive(routes, request).certificates.delete(request.params.certificate, request.headers['if-match']);
    return reply.code(200).send();
  });
}

function findActive(routes: CertificateRoutes, request: ArmRequest): Owner {
  const owner = routes.findOwner(request);
  requireActive(owner);
  return owner;
}

/** `{certificate, isVerified?}`, bare (DPS up to 2021-10-15, verify) or in `properties` (later, and hubs). */
function uploadOf(body: unknown): { readonly certificate: string; readonly isVerified: boolean } {
  const outer = isJsonObject(body) ? body : {};
  const { certificate, isVerified } = isJsonObject(outer['properties']) ? outer['properties'] : outer;
  if (typeof certificate !== 'string' || certificate === '') {
    throw new ProviderError(
      'argumentInvalid',
      "The request has to carry 'certificate', base64 of a DER or PEM certificate.",
    );
  }
  return { certificate, isVerified: isVerified === true };
}

function certificateJson(
  owner: Owner,
  item: CaCertificate,
  { type, showsContent, extra }: CertificateRoutes & { readonly extra: JsonObject },
): JsonObject {
  const { certificate } = item;
  const isContentShown = showsContent || 'verificationCode' in extra;
  return {
    properties: {
      ...extra,
      subject: certificate.commonName ?? certificate.subject,
      expiry: new Date(certificate.notAfterMs).toUTCString(),
      thumbprint: certificate.thumbprintSha1,
      isVerified: item.isVerified,
      created: CREATED,
      updated: new Date(item.updatedMs).toUTCString(),
      certificate: isContentShown ? item.uploaded : null,
    },
    id: `${resourceId(owner.address, type)}/certificates/${item.name}`,
    name: item.name,
    type: `Microsoft.Devices/${type}/Certificates`,
    etag: item.etag,
  };
}
