// The only thing in which a child process differs from a program written for Azure: names under .localhost and Azure's
// own lead to 127.0.0.1, and the fixed port 443 to the emulator's. TLS goes on checking the name that was asked for.
import dns from 'node:dns';
import net from 'node:net';

const emulatorPort = Number(process.env.EMULATOR_PORT);
const isPlayed = (host) => /\.localhost$|\.azure-devices(-provisioning)?\.net$/.test(String(host));

const systemLookup = dns.lookup;
dns.lookup = (host, ...rest) => systemLookup(isPlayed(host) ? '127.0.0.1' : host, ...rest);

const systemConnect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function connect(...args) {
  const options = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (typeof options === 'object' && Number(options.port) === 443 && isPlayed(options.host))
    options.port = emulatorPort;
  return systemConnect.apply(this, args);
};
