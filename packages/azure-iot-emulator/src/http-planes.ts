import type { FastifyInstance } from 'fastify';
import { MANAGEMENT_AUDIENCES, registerArmRoutes } from './arm/arm-routes.ts';
import type { ManagementPlane } from './arm/management-plane.ts';
import type { EmulatorCloud } from './cloud.ts';
import type { DeviceRegistration } from './dps/device-registration.ts';
import { registerDpsDeviceRoutes } from './dps/dps-device-routes.ts';
import { type DpsServiceOptions, registerDpsServiceRoutes } from './dps/dps-service-routes.ts';
import { registerEntraRoutes } from './entra/entra-routes.ts';
import type { TokenAuthority } from './entra/token-authority.ts';
import { dispatchByHost, type PlaneName } from './host-dispatch.ts';
import { createHttpApp } from './http-app.ts';
import { registerHubRoutes } from './hub/hub-routes.ts';

/** What the HTTP planes work on. */
export interface HttpPlanesOptions {
  readonly cloud: EmulatorCloud;
  readonly management: ManagementPlane;
  readonly registration: DeviceRegistration;
  readonly tokens: TokenAuthority;
  /** For DPS's service plane. */
  readonly dps: Pick<DpsServiceOptions, 'assumptions' | 'operations'>;
  /** As in {@link HttpAppOptions}. */
  readonly committed: () => Promise<void> | undefined;
}

/** A request as a client would send it. */
export interface PlaneRequest {
  readonly method: 'GET' | 'PUT' | 'PATCH' | 'POST';
  readonly path: string;
  readonly host: string;
  readonly token: string;
  readonly ifMatch?: string;
  readonly body?: object;
}

/** Its answer; the body parsed where it is JSON. */
export interface PlaneReply {
  readonly status: number;
  readonly body: unknown;
}

/** All planes that speak HTTP, behind one handler. */
export interface HttpPlanes {
  readonly handle: ReturnType<typeof dispatchByHost>;
  /** A request from inside of the emulator, without a connection. */
  call(plane: PlaneName, request: PlaneRequest): Promise<PlaneReply>;
  close(): Promise<void>;
}

/** Builds every plane and makes it ready. */
export async function createHttpPlanes(options: HttpPlanesOptions): Promise<HttpPlanes> {
  const { cloud, management, registration, tokens, dps, committed } = options;
  const { now, log } = management.options;
  const origin = `https://localhost:${cloud.ports.https}`;
  const register: Record<PlaneName, (app: FastifyInstance) => void> = {
    entra: (app) =>
      registerEntraRoutes(app, {
        authority: tokens,
        principal: cloud.servicePrincipal,
        audiences: [
          ...MANAGEMENT_AUDIENCES,
          cloud.provisioningServiceAudience,
          cloud.hubAudience,
          'https://eventhubs.azure.net',
        ],
        origin,
        now,
        log,
      }),
    resourceManager: (app) => registerArmRoutes(app, { plane: management, tokens, origin }),
    provisioningService: (app) =>
      registerDpsServiceRoutes(app, { instances: management.instances, tokens, now, log, ...dps }),
    provisioningDevice: (app) => registerDpsDeviceRoutes(app, { registration, now }),
    hub: (app) => registerHubRoutes(app, { hubs: management.hubs, tokens, now, log }),
  };
  const apps = await Promise.all(
    Object.entries(register).map(async ([name, registerRoutes]) => {
      const app = createHttpApp({ committed });
      registerRoutes(app);
      await app.ready();
      return [name as PlaneName, app] as const;
    }),
  );
  const handlers = Object.fromEntries(apps.map(([name, app]) => [name, app.routing.bind(app)])) as Record<
    PlaneName,
    FastifyInstance['routing']
  >;
  return {
    handle: dispatchByHost(handlers, log),
    call: async (plane, { method, path, host, token, ifMatch, body }) => {
      const app = apps.find(([name]) => name === plane)?.[1];
      const reply = await app?.inject({
        method,
        url: path,
        headers: { host, authorization: `Bearer ${token}`, ...(ifMatch !== undefined && { 'if-match': ifMatch }) },
        ...(body && { payload: body }),
      });
      const isJson = /^[{[]/.test(reply?.body ?? '');
      return { status: reply?.statusCode ?? 0, body: isJson ? reply?.json() : undefined };
    },
    close: async () => {
      await Promise.all(apps.map(([, app]) => app.close()));
    },
  };
}
