const CTRL_A = 0x01;

/** What a piece of typed input holds: bytes for the guest, and whether the user asked to leave. */
export interface Typed {
  readonly data: Uint8Array;
  readonly leave: boolean;
  /** And whether they asked for a snapshot. */
  readonly save: boolean;
}

/** Finds the commands in what is typed: Ctrl-A x leaves, Ctrl-A a sends Ctrl-A, as in QEMU's `-nographic`; Ctrl-A s saves a snapshot. */
export class EscapeFilter {
  #escaped = false;

  /** Takes a piece of input; a command may be cut in two. Nothing after `leave` reaches the guest. */
  take(input: Uint8Array): Typed {
    const data: number[] = [];
    let save = false;
    for (const byte of input) {
      if (!this.#escaped) {
        if (byte === CTRL_A) this.#escaped = true;
        else data.push(byte);
        continue;
      }
      this.#escaped = false;
      const key = String.fromCharCode(byte).toLowerCase();
      if (key === 'x') return { data: Uint8Array.from(data), leave: true, save };
      if (key === 's') save = true;
      // Typing Ctrl-A twice is a common way to send it too; other keys after it mean nothing.
      if (key === 'a' || byte === CTRL_A) data.push(CTRL_A);
    }
    return { data: Uint8Array.from(data), leave: false, save };
  }
}
