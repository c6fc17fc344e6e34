// Loaded with `node --import` in front of a program that uses Microsoft's clients. Their code stays as it is; what
// changes is where a socket goes: `*.localhost` is this machine, and with EMULATOR_PORT_443 set the fixed port 443 of the
// HTTPS and WebSocket clients is the emulator's port. The TLS server name stays what the program asked for.
import { Socket } from 'node:net';

const redirected443 = Number(process.env.EMULATOR_PORT_443);
const connect = Socket.prototype.connect;

Socket.prototype.connect = function connectToEmulator(...args) {
  // net.connect hands its arguments over as one array.
  const list = Array.isArray(args[0]) ? args[0] : args;
  const options = list[0];
  if (typeof options === 'object' && options !== null && !options.path) {
    list[0] = redirect(options);
  }
  return connect.apply(this, args);
};

function redirect(options) {
  const isPort443 = Number(options.port) === 443 && redirected443 > 0;
  const isLocalName = /(^|\.)localhost$/i.test(options.host ?? '');
  if (!isPort443 && !isLocalName) return options;
  return { ...options, host: '127.0.0.1', ...(isPort443 && { port: redirected443 }) };
}
