// An emulator with the options in argv[2], for what the command has no option for; tells where it is as `start --json` does.
import { startAzureIot } from '../dist/index.js';

const { cloudFile, mqttPort, httpsPort } = await startAzureIot(JSON.parse(process.argv[2]));
process.stdout.write(`${JSON.stringify({ cloudFile, mqttPort, httpsPort })}\n`);
