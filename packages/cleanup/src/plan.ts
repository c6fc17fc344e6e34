/** The reference sample's inputs. */
export interface CleanupRequest {
  readonly resourceGroup: string;
  readonly dpsName: string;
  readonly iotHubName: string;
  /** ID of the device in the hub; it is the registration ID and the certificate's common name as well. */
  readonly deviceId: string;
  /** Default `x509GroupEnrollment`. */
  readonly enrollmentGroupId?: string;
  /**
   * Default false, as in the reference sample: the group goes with the device. True: the group stays in use, and this one device is
   * kept out by a disabled enrollment of its own (a stolen device, for example).
   */
  readonly keepGroup?: boolean;
}

interface StepBase {
  /** One line for a person: `Disable enrollment group 'line-a'`. */
  readonly title: string;
  /** Why, and why at this place in the order. */
  readonly reason: string;
  /** False: it was gone already when the plan was made; the step is tried all the same and passed over. */
  readonly isThere: boolean;
}

export type CleanupStep =
  | (StepBase & {
      readonly action: 'disable-enrollment-group';
      readonly enrollmentGroupId: string;
      readonly etag: string;
    })
  | (StepBase & { readonly action: 'block-device'; readonly registrationId: string })
  | (StepBase & { readonly action: 'delete-device-identity'; readonly hubHostName: string; readonly deviceId: string })
  | (StepBase & { readonly action: 'delete-registration-record'; readonly registrationId: string })
  | (StepBase & { readonly action: 'delete-enrollment-group'; readonly enrollmentGroupId: string });

export interface CleanupWarning {
  readonly code:
    | 'group-above-admits'
    | 'other-devices-in-group'
    | 'assigned-to-other-hub'
    | 'individual-enrollment-stays'
    | 'not-registered-through-group';
  readonly message: string;
}

/** What will be done: plain data, in order, to be shown before anything is changed. */
export interface CleanupPlan {
  readonly cloud: string;
  readonly subscriptionId: string;
  readonly resourceGroup: string;
  readonly dpsName: string;
  readonly iotHubName: string;
  readonly deviceId: string;
  readonly enrollmentGroupId: string;
  readonly steps: readonly CleanupStep[];
  readonly warnings: readonly CleanupWarning[];
}
