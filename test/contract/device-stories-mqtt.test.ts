import { deviceStories } from './device-stories.js';
import { overMqtt } from './device-transports.js';

deviceStories('mqtt', overMqtt());
