import { EventEmitter } from 'node:events';
import { Agent } from 'node:https';
import { rootCertificates } from 'node:tls';
import type { AzureSession } from '@contoso/dps-admin';
import httpBase from 'azure-iot-http-base';
import iotHub from 'azure-iothub';

/** What an operator does with devices from a desk, through Microsoft's service client `azure-iothub`. */
export interface BackOffice {
  setTargetTemperature(deviceId: string, targetTemperature: number): Promise<{ readonly desiredVersion: number }>;
  reportedProperties(deviceId: string): Promise<Readonly<Record<string, unknown>>>;
  callMethod(deviceId: string, methodName: string): Promise<{ readonly status: number; readonly payload: unknown }>;
  close(): void;
}

/**
 * Signs in as the session does; no connection string is needed.
 *
 * `azure-iothub` always connects to port 443 of the hub: a host name that carries another port gets there by the agent.
 */
export function openBackOffice(session: AzureSession, hubHostName: string): BackOffice {
  const { hostname, port } = new URL(`https://${hubHostName}`);
  const { cloud, credential } = session;
  const agent = new Agent({
    keepAlive: true,
    ...(port !== '' && { port: Number(port) }),
    ...(hostname.endsWith('.localhost') && { host: 'localhost', servername: hostname }),
    ...(cloud.trustedRootsPem !== undefined && { ca: [...rootCertificates, cloud.trustedRootsPem] }),
  });
  const config = { host: hostname, tokenCredential: credential, tokenScope: `${cloud.hubAudience}/.default` };
  const rest = new httpBase.RestApiClient(config, 'contoso-back-office');
  // Methods go over REST; the transport would be for cloud-to-device messages, which Azure takes over AMQP.
  const client = new iotHub.Client(new EventEmitter() as never, rest as never);
  const registry = new iotHub.Registry(config, rest as never);
  rest.setOptions({ http: { agent } });
  return {
    async setTargetTemperature(deviceId, targetTemperature) {
      const { responseBody } = await registry.updateTwin(
        deviceId,
        { properties: { desired: { targetTemperature } } },
        '*',
      );
      return { desiredVersion: (responseBody as TwinBody).properties.desired['$version'] as number };
    },
    async reportedProperties(deviceId) {
      const { responseBody } = await registry.getTwin(deviceId);
      return (responseBody as unknown as TwinBody).properties.reported;
    },
    async callMethod(deviceId, methodName) {
      const answer = await client.invokeDeviceMethod(deviceId, { methodName, responseTimeoutInSeconds: 30 });
      return answer.result as { status: number; payload: unknown };
    },
    close: () => agent.destroy(),
  };
}

interface TwinBody {
  readonly properties: {
    readonly desired: Readonly<Record<string, unknown>>;
    readonly reported: Readonly<Record<string, unknown>>;
  };
}
