/**
 * What a device's engineer reads in last-diagnostics, by the reason for which a report that could be read was refused:
 * most by `store/record`.
 */
export const REFUSAL_SENTENCES: Readonly<Record<string, string>> = {
  wrong_slot: 'the report names another slot than the one that this installation is for',
  stale_attempt: 'the report is about an attempt that is over; only the newest attempt counts',
  unknown_attempt: 'the report is about an attempt that has not begun',
  ended: 'the installation has ended otherwise; a terminal state never changes',
  too_late: 'what the report says can no longer be',
  unknown_installation: 'this device has no such installation',
  unknown_device: 'there is no such device in this tenant',
  retained: 'only presence may be published as retained: a report would come again, as old news, with each connect',
  forbidden: 'the reporter is neither the device itself nor a gateway in its connectedBy chain',
};
