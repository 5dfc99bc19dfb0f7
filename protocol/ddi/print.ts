/** One action as a device is to see it: one installation, one chunk, one artifact. */
export interface Offer {
  /** The number of the action: 1 to 2,147,483,647. */
  readonly number: number;
  /** Of the document; it changes whenever the offer does, and with it the ETag. */
  readonly revision: number;
  readonly gate: 'go' | 'hold';
  /** What the device calls the part of it that is written. */
  readonly part: string;
  readonly name: string;
  readonly version: string;
  readonly artifact: Artifact;
}

/** One file. Hashes are lower-case hex, the size is bytes. */
export interface Artifact {
  readonly fileName: string;
  readonly size: number;
  readonly sha1: string;
  readonly md5: string;
  readonly sha256: string;
}

/** `{publicUrl}/{tenant}/controller/v1/{controllerId}`: what all links of a device begin with. */
export function baseUrl(publicUrl: string, tenant: string, controllerId: string): string {
  return `${publicUrl}/${encodeURIComponent(tenant)}/controller/v1/${encodeURIComponent(controllerId)}`;
}

/** What a device is to do next; at most one of `deploy`, `cancel` and `confirm`. */
export interface Next {
  /** `HH:MM:SS`. */
  readonly sleep: string;
  readonly deploy?: { readonly number: number; readonly revision: number };
  readonly confirm?: { readonly number: number; readonly revision: number };
  readonly cancel?: { readonly number: number };
  readonly installed?: number;
  readonly wantsConfigData: boolean;
}

/** The answer to a poll. */
export function printBase(base: string, next: Next): object {
  const links = {
    ...(next.deploy && { deploymentBase: href(actionUrl(base, 'deploymentBase', next.deploy)) }),
    ...(next.cancel && { cancelAction: href(`${base}/cancelAction/${next.cancel.number}`) }),
    ...(next.confirm && { confirmationBase: href(actionUrl(base, 'confirmationBase', next.confirm)) }),
    ...(next.installed !== undefined && { installedBase: href(`${base}/installedBase/${next.installed}`) }),
    ...(next.wantsConfigData && { configData: href(`${base}/configData`) }),
  };
  return { config: { polling: { sleep: next.sleep } }, ...withLinks(links) };
}

/** `?c=` is what hawkBit's own client finds the number by, and makes the link another one when the offer changes. */
function actionUrl(base: string, kind: string, { number, revision }: { number: number; revision: number }): string {
  return `${base}/${kind}/${number}?c=${revision}`;
}

/** Feedback of an action that is shown with it. */
export interface History {
  readonly status: string;
  /** Newest first. */
  readonly messages: readonly string[];
}

/** An action, as `deployment` or, where it waits for a confirmation, as `confirmation`. */
export function printOffer(
  base: string,
  offer: Offer,
  as: 'deployment' | 'confirmation',
  history: History | undefined,
): object {
  return {
    id: String(offer.number),
    [as]: {
      download: 'forced',
      update: offer.gate === 'hold' ? 'skip' : 'forced',
      chunks: [
        {
          part: offer.part,
          version: offer.version,
          name: offer.name,
          artifacts: [printArtifact(base, offer.number, offer.artifact)],
        },
      ],
    },
    ...(history && history.messages.length > 0 && { actionHistory: history }),
  };
}

/** A file with its links: clients demand one or the other, so that both stand here. */
export function printArtifact(base: string, number: number, artifact: Artifact): object {
  const url = `${base}/softwaremodules/${number}/artifacts/${encodeURIComponent(artifact.fileName)}`;
  const [download, md5sum] = [href(url), href(`${url}.MD5SUM`)];
  return {
    filename: artifact.fileName,
    hashes: { sha1: artifact.sha1, md5: artifact.md5, sha256: artifact.sha256 },
    size: artifact.size,
    _links: { download, 'download-http': download, md5sum, 'md5sum-http': md5sum },
  };
}

/** What is to be stopped; both numbers are the same. */
export function printCancel(number: number): object {
  return { id: String(number), cancelAction: { stopId: String(number) } };
}

/** Whether a person at the device has to agree. `activatedAt`: epoch milliseconds. */
export interface AutoConfirm {
  readonly initiator?: string | undefined;
  readonly remark?: string | undefined;
  readonly activatedAt: number;
}

/** The state of confirmation, and what waits for it. */
export function printConfirmationBase(base: string, auto: AutoConfirm | null, confirm: Next['confirm']): object {
  const toggle = auto === null ? 'activateAutoConfirm' : 'deactivateAutoConfirm';
  return {
    autoConfirm: { active: auto !== null, ...auto },
    _links: {
      [toggle]: href(`${base}/confirmationBase/${toggle}`),
      ...(confirm && { confirmationBase: href(actionUrl(base, 'confirmationBase', confirm)) }),
    },
  };
}

function href(url: string): { href: string } {
  return { href: url };
}

function withLinks(links: object): object {
  return Object.keys(links).length === 0 ? {} : { _links: links };
}

const DAY_SECONDS = 86_400;

/** `HH:MM:SS`, below a day: clients take nothing else and drop the whole poll. */
export function printSleep(seconds: number): string {
  const at = Math.min(Math.max(1, Math.round(seconds)), DAY_SECONDS - 1);
  return [Math.floor(at / 3600), Math.floor(at / 60) % 60, at % 60]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
}
