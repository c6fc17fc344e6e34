import { relative, sep } from 'node:path';
import { configError, type ServiceConfig } from './config.ts';
import { credentialFiles } from './credentials.ts';

export interface SystemdUnitOptions {
  readonly config: ServiceConfig;
  readonly configFile: string;
  /** What runs `contoso-device`, such as Node and the path of the command. */
  readonly command: readonly string[];
}

/** systemd's own folders: a service under a user of its own may write below them where its unit says so. */
const folders = { StateDirectory: '/var/lib', LogsDirectory: '/var/log', RuntimeDirectory: '/run' } as const;

/**
 * A unit file for `run`: it notifies, has a watchdog, comes back whatever happens, and may do little else on the machine.
 *
 * @throws {DeviceAgentError} ERR_AGENT_CONFIG: a file or folder that such a service could not write
 */
export function systemdUnit({ config, configFile, command }: SystemdUnitOptions): string {
  const { stateFolder, stopSeconds, log, health } = config;
  const credentials = [...credentialFiles(config)].map(([key, file]) => `LoadCredential=${key}:${quote(file)}`);
  const writable = [
    below('StateDirectory', 'stateFolder', stateFolder),
    ...(log.file === undefined ? [] : [below('LogsDirectory', 'log.file', folderOf(log.file))]),
    ...(health.file === undefined ? [] : [below('RuntimeDirectory', 'health.file', folderOf(health.file))]),
  ];
  return `[Unit]
Description=Contoso device agent
Wants=network-online.target
After=network-online.target time-sync.target
# It never gives up.
StartLimitIntervalSec=0

[Service]
Type=notify
# Node has no datagram sockets: systemd-notify speaks for it.
NotifyAccess=all
ExecStart=${[...command, 'run', '--config', configFile].map(quote).join(' ')}
Restart=always
RestartSec=15
# 2: another start can't help, such as with a configuration that has to be mended first.
RestartPreventExitStatus=2
WatchdogSec=120
TimeoutStopSec=${Math.ceil(stopSeconds * 2 + 15)}

DynamicUser=yes
${[...writable, ...credentials].join('\n')}
UMask=0077

CapabilityBoundingSet=
LockPersonality=yes
NoNewPrivileges=yes
${deviceAccess(config)}
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=read-only
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
# V8 protects its code with memory keys, where the processor has them.
SystemCallFilter=@system-service @pkey
# What a later Node tries beyond that fails, and doesn't end it.
SystemCallErrorNumber=EPERM
# Not MemoryDenyWriteExecute: Node compiles JavaScript to machine code.

[Install]
WantedBy=multi-user.target
`;
}

/** A token behind a device file can't be reached with a `/dev` of the service's own. */
function deviceAccess({ identity }: ServiceConfig): string {
  if (!('pkcs11' in identity)) return 'PrivateDevices=yes';
  return `# The key is in a token: for a TPM name its group too, for example SupplementaryGroups=tss.
PrivateDevices=no`;
}

function below(setting: keyof typeof folders, key: string, folder: string): string {
  const base = folders[setting];
  const name = relative(base, folder);
  if (name !== '' && !name.startsWith('..')) return `${setting}=${quote(name)}`;
  throw configError(
    `The unit's service may write below ${base} alone there, in a folder of its own: ${key} is in ${folder}.`,
    `Make it ${base}${sep}contoso-device, or something below.`,
  );
}

const folderOf = (file: string): string => file.slice(0, file.lastIndexOf(sep));

/** By systemd.syntax(7): `%` begins a specifier, `$` a variable, blanks part words. */
function quote(word: string): string {
  const escaped = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /[\s"'\\;]/.test(escaped) ? `"${escaped.replace(/["\\]/g, '\\$&')}"` : escaped;
}
