/** The message of an error body of any of Azure's shapes; undefined where there is none. */
export function errorMessage(body: string): string | undefined {
  try {
    const parsed = JSON.parse(body) as Record<string, unknown>;
    const nested = parsed.error as Record<string, unknown> | string | undefined;
    const candidates = [
      parsed.Message,
      parsed.message,
      parsed.error_description,
      typeof nested === 'object' ? nested.message : nested,
    ];
    return candidates.find((candidate): candidate is string => typeof candidate === 'string');
  } catch {
    return undefined;
  }
}
