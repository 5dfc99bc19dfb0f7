import type { TestedMosquitto } from '../support/mosquitto.js';

/** Settings of a Slipway that uses this broker instead of its own, and administers its logins. */
export function outsideBroker({ url, service }: TestedMosquitto): Record<string, string> {
  return {
    MQTT_URL: url,
    MQTT_USERNAME: service.username,
    MQTT_PASSWORD: service.password,
    SLIPWAY_MQTT_ADMIN: 'dynsec',
  };
}
