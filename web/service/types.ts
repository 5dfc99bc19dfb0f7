import type { z } from 'zod';
import type { apiKey, apiKeyWithSecret } from '../../protocol/http/api-keys.js';
import type { approval } from '../../protocol/http/approvals.js';
import type { auditEntry } from '../../protocol/http/audit.js';
import type { deviceRow } from '../../protocol/http/device-rows.js';
import type { association, deviceType } from '../../protocol/http/device-types.js';
import type { device } from '../../protocol/http/devices.js';
import type { certificate, credential } from '../../protocol/http/credentials.js';
import type { meta } from '../../protocol/http/envelope.js';
import type { enrolment, enrolmentToken, enrolmentTokenWithSecret } from '../../protocol/http/enrolments.js';
import type { firmware } from '../../protocol/http/firmware.js';
import type { hawkbitSettings } from '../../protocol/http/hawkbit-settings.js';
import type { installation } from '../../protocol/http/installation.js';
import type { job } from '../../protocol/http/jobs.js';
import type { historyEvent } from '../../protocol/http/live-events.js';
import type { rolloutEvent, rolloutTarget } from '../../protocol/http/rollout-parts.js';
import type { series } from '../../protocol/http/rollout-series.js';
import type { simulation } from '../../protocol/http/rollout-simulation.js';
import type { template } from '../../protocol/http/rollout-template.js';
import type { rollout } from '../../protocol/http/rollout.js';
import type { about, authConfig, me } from '../../protocol/http/sign-in.js';
import type { deviceSlot, diagnostic } from '../../protocol/http/slots.js';
import type { summary } from '../../protocol/http/summary.js';
import type { tenant, tenantWithKey, tenantWithUsage } from '../../protocol/http/tenants.js';
import type { timeline } from '../../protocol/http/timeline.js';
import type { firmwareUsage } from '../../protocol/http/usage.js';
import type { delivery, webhook, webhookWithSecret } from '../../protocol/http/webhooks.js';

/**
 * Answers of the API, as types of the schemas that the service prints them by: types only, so that no schema is loaded,
 * and nothing has to be generated.
 */
export type Me = z.output<typeof me>;
/** How one may sign in. */
export type AuthConfig = z.output<typeof authConfig>;
/** What the service is. */
export type About = z.output<typeof about>;
/** The fleet at a glance. */
export type Summary = z.output<typeof summary>;
/** A device. */
export type Device = z.output<typeof device>;
/** A device as a row. */
export type DeviceRow = z.output<typeof deviceRow>;
/** A row of which every member was asked for. */
export type FullRow = { [K in keyof DeviceRow]-?: Exclude<DeviceRow[K], undefined> };
/** A device type. */
export type DeviceType = z.output<typeof deviceType>;
/** A firmware. */
export type Firmware = z.output<typeof firmware>;
/** Where a firmware is used. */
export type FirmwareUsage = z.output<typeof firmwareUsage>;
/** That a firmware may go into a slot. */
export type Association = z.output<typeof association>;
/** An installation. */
export type Installation = z.output<typeof installation>;
/** A rollout. */
export type Rollout = z.output<typeof rollout>;
/** One device of a rollout. */
export type RolloutTarget = z.output<typeof rolloutTarget>;
/** An entry of the history of a rollout. */
export type RolloutEvent = z.output<typeof rolloutEvent>;
/** What a rollout did over time. */
export type RolloutSeries = z.output<typeof series>;
/** What a plan would do. */
export type Forecast = z.output<typeof simulation>;
/** A rollout or a group that waits for votes. */
export type Approval = z.output<typeof approval>;
/** A slot of a device. */
export type DeviceSlot = z.output<typeof deviceSlot>;
/** A message of a device that was refused. */
export type Diagnostic = z.output<typeof diagnostic>;
/** Why a device holds what it holds. */
export type Timeline = z.output<typeof timeline>;
/** A job. */
export type Job = z.output<typeof job>;
/** A password of a device. */
export type Credential = z.output<typeof credential>;
/** A certificate of a device. */
export type Certificate = z.output<typeof certificate>;
/** A device that asked to come by itself. */
export type Enrolment = z.output<typeof enrolment>;
/** By what a batch of devices enrols. */
export type EnrolmentToken = z.output<typeof enrolmentToken>;
/** A token as it is shown once. */
export type EnrolmentTokenWithSecret = z.output<typeof enrolmentTokenWithSecret>;
/** What is let in over hawkBit's device interface. */
export type HawkbitSettings = z.output<typeof hawkbitSettings>;
/** A key of a person or a program. */
export type ApiKey = z.output<typeof apiKey>;
/** A key as it is shown once. */
export type ApiKeyWithSecret = z.output<typeof apiKeyWithSecret>;
/** What a person did. */
export type AuditEntry = z.output<typeof auditEntry>;
/** A URL that events are posted to. */
export type Webhook = z.output<typeof webhook>;
/** A webhook with its secret, which is shown once. */
export type WebhookWithSecret = z.output<typeof webhookWithSecret>;
/** One entry of the history for one webhook. */
export type Delivery = z.output<typeof delivery>;
/** Parts of a plan that are kept. */
export type Template = z.output<typeof template>;
/** A tenant. */
export type Tenant = z.output<typeof tenant>;
/** A tenant with what it uses. */
export type TenantWithUsage = z.output<typeof tenantWithUsage>;
/** A tenant with its first key, which is shown once. */
export type TenantWithKey = z.output<typeof tenantWithKey>;
/** An entry of the history. */
export type HistoryEvent = z.output<typeof historyEvent>;
/** What stands beside a page of a list. */
export type PageMeta = z.output<typeof meta>;

/** The answer about one thing. */
export interface One<T> {
  readonly data: T;
}
/** A page of a list. */
export interface Page<T, M = PageMeta> {
  readonly data: readonly T[];
  readonly meta: M;
}
