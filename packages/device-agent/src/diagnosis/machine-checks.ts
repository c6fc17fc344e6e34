import type { Check } from './examination.ts';
import { failed, ok, warning } from './outcome.ts';

/** Lowest release that the package admits. */
const lowestNode = [20, 19] as const;

/** What the device itself is. */
export const machineChecks: readonly Check[] = [
  {
    name: 'node-version',
    title: 'Node.js is supported',
    run: ({ machine: { nodeVersion } }) => {
      const [major = 0, minor = 0] = nodeVersion.split('.').map(Number);
      if (major < lowestNode[0] || (major === lowestNode[0] && minor < lowestNode[1])) {
        return failed(`${nodeVersion} runs; ${lowestNode.join('.')} is the lowest`, 'Install Node.js 20.19, 22 or 24.');
      }
      if (major % 2 === 1)
        return warning(`${nodeVersion} gets no long-term support`, 'Install an even release: 20, 22 or 24.');
      return ok(nodeVersion);
    },
  },
];
