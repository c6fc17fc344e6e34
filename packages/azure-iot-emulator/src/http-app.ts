import { createServer } from 'node:http';
import { type FastifyInstance, fastify } from 'fastify';

/** Largest request body that a plane reads, in bytes. */
const BODY_LIMIT_BYTES = 1024 * 1024;

/** Options of {@link createHttpApp}. */
export interface HttpAppOptions {
  /** What every answer waits for: undefined where all that it may tell of is on the disk. Default: nothing. */
  readonly committed?: () => Promise<void> | undefined;
}

/**
 * A Fastify app for one of Azure's HTTP planes, as Azure's front ends behave: paths compare without regard to case, a
 * trailing slash makes no difference, and an empty body is fine whatever content type announces it.
 *
 * The app never listens: hand requests to its `routing` once it is ready.
 */
export function createHttpApp({ committed }: HttpAppOptions = {}): FastifyInstance {
  const app = fastify({
    bodyLimit: BODY_LIMIT_BYTES,
    exposeHeadRoutes: false,
    routerOptions: { caseSensitive: false, ignoreTrailingSlash: true, maxParamLength: 1024 },
    serverFactory: (handler) => createServer(handler),
  });
  if (committed) app.addHook('onSend', async () => committed());
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
    done(null, new URLSearchParams(String(body)));
  });
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    parseJson(String(body), done);
  });
  return app;
}

function parseJson(text: string, done: (error: Error | null, body?: unknown) => void): void {
  if (text.trim() === '') {
    done(null, undefined);
    return;
  }
  try {
    done(null, JSON.parse(text));
  } catch (cause) {
    done(Object.assign(new Error('The request body is not valid JSON.', { cause }), { statusCode: 400 }));
  }
}
