import { z } from 'zod';

/** The body of `PUT …/installedBase`: what the device says that it runs. */
export const installedVersion = z
  .object({ name: z.string().min(1).max(255), version: z.string().min(1).max(255) })
  .meta({ id: 'HawkbitInstalled', example: { name: 'rootfs', version: '1.2.0' } });

const text = z.string().max(64).nullish();

/** The body of `POST …/activateAutoConfirm`; it may be absent. */
export const autoConfirmation = z
  .object({ initiator: text, remark: z.string().max(512).nullish() })
  .meta({ id: 'HawkbitAutoConfirm', example: { initiator: 'operator', remark: 'trusted site' } });
