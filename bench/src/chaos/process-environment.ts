/** The environment without what a test runner adds to Node's options. */
export function processEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, ...environment } = process.env;
  return environment;
}
