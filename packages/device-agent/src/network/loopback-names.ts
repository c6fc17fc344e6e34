import { lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';

/**
 * Name resolution in which `localhost` names are loopback, as RFC 6761 section 6.3 asks of resolvers; Node leaves that
 * to the system, and many systems know `localhost` alone.
 */
export const lookupWithLoopbackNames: LookupFunction = (hostname, options, callback) => {
  if (!/(^|\.)localhost\.?$/i.test(hostname)) {
    systemLookup(hostname, options, callback);
  } else if (options.all === true) {
    callback(null, [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ]);
  } else {
    callback(null, '127.0.0.1', 4);
  }
};
