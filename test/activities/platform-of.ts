import type { TelephonyPlatform } from '../../platform/telephony-platform.js';

/** A platform of which only some calls are expected; every other one fails the test. */
export function platformOf(parts: Partial<TelephonyPlatform>): TelephonyPlatform {
  const none = (): never => {
    throw new Error('Expected no such call');
  };
  return {
    clientId: 'earshot',
    startMonitor: none,
    changeMode: none,
    stopMonitor: none,
    monitorState: none,
    listInteractions: none,
    mediaServerGroups: none,
    mediaMetrics: none,
    followEvents: none,
    ...parts,
  };
}
