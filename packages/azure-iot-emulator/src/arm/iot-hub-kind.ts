import { operationToken } from './arm-request.ts';
import { acceptedIotHubJson, hubPolicyJson, iotHubJson } from './iot-hub-json.ts';
import { applyIotHubRequest, checkIotHubName, createIotHub, type IotHubResource } from './iot-hub-resource.ts';
import type { ManagementPlane } from './management-plane.ts';
import type { ResourceKind } from './resource-routes.ts';

const LOCATIONS = 'providers/Microsoft.Devices/locations';

/** IoT Hubs, as Resource Manager has them. */
export function iotHubKind(plane: ManagementPlane): ResourceKind<IotHubResource> {
  const { iotHubs, options } = plane;
  return {
    resources: iotHubs,
    label: 'IotHub',
    nameCheckPath: 'checkNameAvailability',
    keysPath: 'IotHubKeys',
    operationResultsPath: `/subscriptions/:subscription/${LOCATIONS}/:location/operationResults/:operation`,
    operationLink: ({ location }, id) => {
      const region = location.toLowerCase().replaceAll(' ', '');
      const token = operationToken('ih', id, region);
      return {
        path: `/subscriptions/${options.subscriptionId}/${LOCATIONS}/${region}/operationResults/${token}`,
        query: '&operationSource=other',
      };
    },
    showsCertificateContent: true,
    checkName: checkIotHubName,
    create: (address, wanted) =>
      createIotHub(address, wanted, { ...plane.hubOptions(address.name), etag: iotHubs.nextEtag() }),
    apply: applyIotHubRequest,
    show: iotHubJson,
    showAccepted: acceptedIotHubJson,
    policies: ({ hub }) => hub.sharedAccessPolicies.map(hubPolicyJson),
  };
}
