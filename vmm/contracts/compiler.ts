/** Compiles WebAssembly modules beside the thread that runs a machine. */
export interface ModuleCompiler {
  /** `id` comes back with the result. `code` and its whole buffer are the compiler's from now on. */
  submit(id: number, code: Uint8Array<ArrayBuffer>): void;
  /** A finished module, or the engine's words why it would not; undefined while none is. Cheap then. */
  take(): CompiledModule | undefined;
}

export interface CompiledModule {
  readonly id: number;
  readonly result: WebAssembly.Module | string;
}
