import { openApiOfTheCode } from './openapi-document.js';

/** `npm run client` reads it: the OpenAPI document of the code, without a service that runs. */
process.stdout.write(`${JSON.stringify(await openApiOfTheCode())}\n`);
