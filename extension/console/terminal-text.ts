/**
 * Turns a guest's bytes into text for a terminal emulator: UTF-8 that may be cut anywhere between two chunks, and a
 * carriage return before each line feed that lacks one, as a tty's `onlcr` adds it.
 */
export class TerminalText {
  readonly #decoder = new TextDecoder('utf-8');
  #afterReturn = false;

  decode(bytes: Uint8Array): string {
    return this.#returns(this.#decoder.decode(bytes, { stream: true }));
  }

  /** What an unfinished UTF-8 sequence at the end of the stream stands for. */
  flush(): string {
    return this.#returns(this.#decoder.decode());
  }

  #returns(text: string): string {
    if (text === '') return text;
    const first = text.startsWith('\n') && !this.#afterReturn ? '\r\n' + text.slice(1) : text;
    this.#afterReturn = text.endsWith('\r');
    return first.replace(/([^\r])(?=\n)/g, '$1\r').replace(/\n(?=\n)/g, '\n\r');
  }
}
