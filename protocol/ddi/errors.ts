/** Why a request is refused. `message`: a sentence; absent = the answer has no body, as hawkBit's. */
export class DdiRefusal extends Error {
  override readonly name = 'DdiRefusal';
  constructor(
    readonly status: number,
    readonly sentence?: string,
    readonly code?: string,
  ) {
    super(sentence ?? `refused with ${status}`);
  }
}

/** The body of a refusal, as hawkBit writes it; undefined = none. */
export function printError({ status, sentence, code }: DdiRefusal): object | undefined {
  if (sentence === undefined) return undefined;
  const [exceptionClass, errorCode] = ERRORS[status] ?? [undefined, 'repo.genericError'];
  return {
    ...(exceptionClass && { exceptionClass: `${PACKAGE}${exceptionClass}` }),
    errorCode: `hawkbit.server.error.${code ?? errorCode}`,
    message: sentence,
  };
}

const PACKAGE = 'org.eclipse.hawkbit.repository.exception.';
const ERRORS: Readonly<Record<number, readonly [string, string]>> = {
  400: ['MessageNotReadableException', 'rest.body.notReadable'],
  403: ['InsufficientPermissionException', 'insufficientPermission'],
  404: ['EntityNotFoundException', 'repo.entityNotFound'],
  405: ['CancelActionNotAllowedException', 'action.notCancelable'],
  409: ['ConcurrentModificationException', 'repo.concurrentModification'],
  410: ['ArtifactBinaryNotFoundException', 'artifact.binaryDeleted'],
  429: ['AssignmentQuotaExceededException', 'quota.tooManyEntries'],
};
