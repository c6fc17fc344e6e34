import type { AgentEvent } from '@contoso/device-agent';
import type { Reporter } from './reporter.ts';

/** Shows what an agent tells, as the reference sample prints it. */
export function reportEvent(reporter: Reporter, event: AgentEvent): void {
  switch (event.type) {
    case 'status':
      reporter.note(
        `connection: ${event.state.status}, ${event.state.reason}, recommended: ${event.state.recommendedAction}`,
      );
      if (event.error) reporter.warn(`${event.error.code}: ${event.error.message}`);
      break;
    case 'provisioning':
      reporter.note(`asking DPS: ${event.reason}`);
      break;
    case 'provisioned':
      reporter.step('Provisioned', {
        status: event.assignment.status,
        substatus: event.assignment.substatus,
        assignedHub: event.assignment.assignedHub,
        deviceId: event.assignment.deviceId,
      });
      break;
    case 'connecting':
      reporter.note(`connecting ${event.deviceId} to ${event.hostName}${event.isKept ? ' (kept assignment)' : ''}`);
      break;
    case 'retry':
      reporter.note(`try ${event.attempt} failed; next in ${(event.delayMs / 1000).toFixed(1)} s`);
      break;
    case 'telemetry-acknowledged':
      reporter.note(`telemetry ${event.messageId} acknowledged by the hub`);
      break;
    case 'message-completed':
      reporter.note(`message ${event.messageId ?? '(no ID)'} completed`);
      break;
    case 'reported':
      reporter.note(`reported ${JSON.stringify(event.properties)}`);
      break;
    case 'handler-failed':
    case 'twin-failed':
      reporter.warn(`${event.type}: ${event.error instanceof Error ? event.error.message : String(event.error)}`);
      break;
    default:
      // The sample says nothing of the rest.
      break;
  }
}
