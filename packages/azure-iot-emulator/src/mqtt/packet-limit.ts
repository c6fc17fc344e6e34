/** A message of 256 KiB, the largest that IoT Hub takes, and room for its topic, the longest that MQTT can express. */
export const largestPacketBytes = 256 * 1024 + 64 * 1024;
