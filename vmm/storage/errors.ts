import { VmError } from '../base/vm-error.ts';

/** An image that cannot be opened as what it says it is; `image` is how the user calls it. */
export const badImage = (image: string, problem: string): VmError =>
  new VmError('bad-file', `${image}: ${problem}`);

/** A request that an image cannot serve. The guest sees an I/O error, whoever looks after the machine sees the text. */
export const failedRequest = (image: string, problem: string): VmError =>
  new VmError('io', `${image}: ${problem}`);

/** Metadata that contradicts itself, found while the image is in use. */
export class DamagedImage extends VmError {
  constructor(image: string, problem: string) {
    super('io', `${image}: the image is damaged: ${problem}; 'qemu-img check' tells what can be repaired`);
  }
}

export const damaged = (image: string, problem: string): DamagedImage => new DamagedImage(image, problem);
