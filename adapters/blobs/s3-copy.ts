import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCopyCommand,
  type CompletedPart,
  type S3Client,
} from '@aws-sdk/client-s3';

/** A copy in parts within one bucket; `from` and `to` are keys. */
export interface LargeCopy {
  bucket: string;
  from: string;
  to: string;
  /** Bytes of the whole, and the most of one part. */
  size: number;
  partBytes: number;
}

/**
 * Copies an object that is larger than one CopyObject takes, within S3: no byte passes through this process. The object
 * appears under its new key in one step, with the last request. One part after the other: S3 copies gigabytes within
 * seconds.
 */
export async function copyInParts(client: S3Client, { bucket, from, to, size, partBytes }: LargeCopy): Promise<void> {
  const target = { Bucket: bucket, Key: to };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(target));
  try {
    const parts: CompletedPart[] = [];
    for (let start = 0; start < size; start += partBytes) {
      const PartNumber = parts.length + 1;
      const end = Math.min(start + partBytes, size) - 1;
      const { CopyPartResult } = await client.send(
        new UploadPartCopyCommand({
          ...target,
          UploadId,
          PartNumber,
          CopySource: `${bucket}/${from}`,
          CopySourceRange: `bytes=${start}-${end}`,
        }),
      );
      parts.push({ PartNumber, ETag: CopyPartResult?.ETag });
    }
    await client.send(new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts: parts } }));
  } catch (error) {
    try {
      await client.send(new AbortMultipartUploadCommand({ ...target, UploadId }));
    } catch (abortError) {
      // The sweep finds it later; why the copy failed is what its caller must know.
      throw new AggregateError([error, abortError], `${to} could not be copied: ${(error as Error).message}`);
    }
    throw error;
  }
}
