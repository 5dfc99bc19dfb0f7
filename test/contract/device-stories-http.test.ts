import { deviceStories } from './device-stories.js';
import { overHttp } from './device-transports.js';

deviceStories('http', overHttp());
