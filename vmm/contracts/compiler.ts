/** Compiles WebAssembly modules beside the thread that runs a machine. */
export interface ModuleCompiler {
  /** `id` comes back with the result. */
  submit(id: number, code: Uint8Array): void;
  /** A finished module, or the engine's words why it would not; undefined while none is. Cheap then. */
  take(): CompiledModule | undefined;
}

export interface CompiledModule {
  readonly id: number;
  readonly result: WebAssembly.Module | string;
}
