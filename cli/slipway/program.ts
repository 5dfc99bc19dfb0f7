import { Command } from 'commander';
import { applyVerbs } from './verbs/apply.js';
import { approvalVerbs } from './verbs/approvals.js';
import { associationVerbs } from './verbs/association.js';
import { auditVerbs } from './verbs/audit.js';
import { credentialVerbs } from './verbs/credential.js';
import { doctorVerbs } from './verbs/doctor.js';
import { completionVerbs } from './verbs/completion.js';
import { deviceVerbs } from './verbs/device.js';
import { enrolmentVerbs } from './verbs/enrolment.js';
import { eventVerbs } from './verbs/events.js';
import { firmwareVerbs } from './verbs/firmware.js';
import { importVerbs } from './verbs/import.js';
import { installationVerbs } from './verbs/installation.js';
import { jobVerbs } from './verbs/job.js';
import { keyVerbs } from './verbs/key.js';
import { loginVerbs } from './verbs/login.js';
import { rolloutVerbs } from './verbs/rollout.js';
import { templateVerbs } from './verbs/template.js';
import { tenantVerbs } from './verbs/tenant.js';
import { typeVerbs } from './verbs/type.js';
import { upVerbs } from './verbs/up.js';
import { webhookVerbs } from './verbs/webhook.js';
import { VERSION } from './version.js';

/**
 * The whole tree of verbs: the help, the completion and the tests read it. Nothing is asked of a service before a verb
 * runs.
 */
export function createProgram(): Command {
  const program = new Command('slipway')
    .description('Firmware rollouts: a client of the HTTP API of Slipway.')
    .version(VERSION, '-V, --version', 'print the version')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'slipway: ')) })
    .showHelpAfterError('--help has the options and an example.')
    .addHelpText('after', FOOTER);
  loginVerbs(program);
  upVerbs(program);
  firmwareVerbs(program);
  typeVerbs(program);
  associationVerbs(program);
  deviceVerbs(program);
  credentialVerbs(program);
  enrolmentVerbs(program);
  importVerbs(program);
  installationVerbs(program);
  rolloutVerbs(program);
  applyVerbs(program);
  templateVerbs(program);
  approvalVerbs(program);
  eventVerbs(program);
  webhookVerbs(program);
  keyVerbs(program);
  tenantVerbs(program);
  jobVerbs(program);
  auditVerbs(program);
  doctorVerbs(program);
  completionVerbs(program);
  return program;
}

const FOOTER = `
SLIPWAY_URL and SLIPWAY_TOKEN win over the profile, SLIPWAY_PROFILE chooses one.
Exit codes: 0 done, 1 failed, 2 usage or plan, 3 refused, 4 unknown, 5 no access, 6 API away, 7 rollout ended badly,
8 paused, 124 time-out.

Examples:
  slipway login http://127.0.0.1:8080
  slipway device list --filter 'online==true'
  slipway rollout create -f plan.yaml`;
