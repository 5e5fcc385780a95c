import { closeSync, openSync, writeSync } from 'node:fs';
import { VmError } from '../base/vm-error.ts';
import { explainErrno } from './images.ts';

/** Lines collected before a write: few system calls, and little memory. */
const BUFFER_CHARS = 64 << 10;

export interface LineFile {
  line(text: string): void;
  close(): void;
}

/** Opens a file for the lines of a trace. @throws VmError `io` when it cannot be written. */
export function openTraceFile(path: string): LineFile {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'w');
  } catch (error) {
    throw new VmError('io', `cannot write the trace '${path}': ${explainErrno(error)}`);
  }
  let buffer = '';
  const flush = () => {
    const bytes = Buffer.from(buffer);
    buffer = '';
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
    } catch (error) {
      throw new VmError('io', `cannot write the trace '${path}': ${explainErrno(error)}`);
    }
  };
  return {
    line: (text) => {
      buffer += text + '\n';
      if (buffer.length > BUFFER_CHARS) flush();
    },
    close: () => {
      flush();
      closeSync(descriptor);
    },
  };
}
