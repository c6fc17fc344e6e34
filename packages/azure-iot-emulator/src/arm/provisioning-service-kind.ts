import { operationToken } from './arm-request.ts';
import type { ManagementPlane } from './management-plane.ts';
import {
  applyProvisioningServiceRequest,
  checkProvisioningServiceName,
  createProvisioningService,
  type ProvisioningService,
} from './provisioning-service.ts';
import { acceptedProvisioningServiceJson, policyJson, provisioningServiceJson } from './provisioning-service-json.ts';
import { resourceId } from './resource.ts';
import { type ResourceKind, resourcePath } from './resource-routes.ts';

/** Device Provisioning Services, as Resource Manager has them. */
export function provisioningServiceKind(plane: ManagementPlane): ResourceKind<ProvisioningService> {
  const { provisioningServices, options, assumptions } = plane;
  return {
    resources: provisioningServices,
    label: 'Provisioning Service',
    nameCheckPath: 'checkProvisioningServiceNameAvailability',
    keysPath: 'keys',
    operationResultsPath: `${resourcePath(provisioningServices)}/operationResults/:operation`,
    operationLink: ({ address, location }, id) => ({
      path: `${resourceId(address, provisioningServices.type)}/operationResults/${operationToken('id', id, location)}`,
    }),
    showsCertificateContent: false,
    checkName: checkProvisioningServiceName,
    create: (address, wanted) =>
      createProvisioningService(address, wanted, {
        ...plane.instanceOptions(address.name),
        etag: provisioningServices.nextEtag(),
      }),
    apply: (service, wanted) =>
      applyProvisioningServiceRequest(service, wanted, assumptions.linkedHubKey === 'check' ? plane.hubs : undefined),
    show: (service) => provisioningServiceJson(service, options.hosts),
    showAccepted: acceptedProvisioningServiceJson,
    policies: ({ instance }) => instance.settings.policies.map(policyJson),
    skus: ['S1'],
  };
}
