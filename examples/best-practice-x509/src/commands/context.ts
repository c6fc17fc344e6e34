import { createAzureSession, loadCloud, type AzureSession, type Cloud } from '@contoso/dps-admin';
import type { Command } from 'commander';
import type { Reporter } from '../reporter.ts';

/** What every command that talks to a cloud is given. */
export interface CloudFlags {
  readonly cloud: string;
  readonly subscription?: string;
}

/** What the commands share: where to report, and how to get at a cloud. */
export interface CommandContext {
  readonly reporter: Reporter;
  readonly openCloud: (flags: CloudFlags) => Promise<Cloud>;
  /** Runs the work signed in to Resource Manager, DPS and hubs. */
  readonly inSession: (flags: CloudFlags, work: (session: AzureSession) => Promise<void>) => Promise<void>;
}

export function createCommandContext(reporter: Reporter): CommandContext {
  return {
    reporter,
    openCloud: ({ cloud }) => loadCloud(cloud),
    async inSession({ cloud, subscription }, work) {
      const session = await createAzureSession({
        cloud: await loadCloud(cloud),
        ...(subscription !== undefined && { subscriptionId: subscription }),
      });
      try {
        await work(session);
      } finally {
        session.close();
      }
    },
  };
}

export function addCloudOptions(command: Command): Command {
  return command
    .option('--cloud <name|file>', 'public, usgov, china, or a cloud file such as the emulator writes', 'public')
    .option('--json', 'one JSON object a line');
}

export function addSubscriptionOption(command: Command): Command {
  return command.option('--subscription <id>', 'default: the only one that you can see');
}
