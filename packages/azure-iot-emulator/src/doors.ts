import type { MqttService } from './mqtt/service.ts';
import type { StartTimer } from './mqtt/timer.ts';
import { exposureWarning } from './tls/loopback.ts';
import { guardOrigin } from './request-origin.ts';
import { listenTls, type ListenTlsOptions, type TlsListener } from './tls/listener.ts';
import { httpTrace } from './trace/http-trace.ts';
import { mqttTrace } from './trace/mqtt-trace.ts';

/** What {@link openDoors} has to be told. */
export interface DoorsOptions extends Pick<ListenTlsOptions, 'identity' | 'identityFor' | 'committed'> {
  readonly mqttPort: number;
  readonly httpsPort: number;
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string;
  readonly log: (line: string) => void;
  /** Gets a line for each MQTT packet and HTTP request; default: nothing is traced. */
  readonly trace?: ((line: string) => void) | undefined;
  /** What keep-alives go by; default: the system's clock. */
  readonly now?: () => number;
  readonly startTimer?: StartTimer;
}

/** Both listeners, before there is anything behind them. */
export interface Doors {
  readonly mqttPort: number;
  readonly httpsPort: number;
  readonly rootPem: string;
  readonly mqttServices: MqttService[];
  setHttpHandler(handle: ListenTlsOptions['http']): void;
  close(): Promise<void>;
}

/**
 * The ports come first: host names, and with them all that the planes say, contain them.
 *
 * @throws {EmulatorError} ERR_EMULATOR_PORT_TAKEN, ERR_EMULATOR_PORT_REFUSED
 */
export async function openDoors({ mqttPort, httpsPort, trace, ...options }: DoorsOptions): Promise<Doors> {
  const warning = exposureWarning(options.host ?? '127.0.0.1');
  if (warning !== undefined) options.log(warning);
  const mqttServices: MqttService[] = [];
  let handle: ListenTlsOptions['http'] = (_request, response) => response.writeHead(503).end();
  const listen = (port: number) =>
    listenTls({
      ...options,
      port,
      mqttServices,
      trace: trace && mqttTrace(trace),
      http: (request, response) => handle(request, response),
    });
  const listeners: TlsListener[] = [];
  const close = async () => {
    await Promise.all(listeners.map((listener) => listener.close()));
  };
  try {
    for (const port of [mqttPort, httpsPort]) listeners.push(await listen(port));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    mqttPort: listeners[0]?.port ?? mqttPort,
    httpsPort: listeners[1]?.port ?? httpsPort,
    rootPem: options.identity.rootPem,
    mqttServices,
    setHttpHandler: (next) => {
      const guarded = guardOrigin(next, options.log);
      handle = trace ? httpTrace(guarded, trace) : guarded;
    },
    close,
  };
}
