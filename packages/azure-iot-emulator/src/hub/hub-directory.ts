import type { IotHub } from './iot-hub.ts';

/** The hubs that exist now, by host name. The management plane creates and deletes them. */
export interface HubDirectory {
  /** `hostName` in any case, with or without the port; undefined where no such hub is active. */
  findByHostName(hostName: string): IotHub | undefined;
}
