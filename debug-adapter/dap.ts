/**
 * The part of DAP that the adapter answers, as types: for each request its arguments and the body of its response.
 * Handlers are tables over these, so that a wrong body does not compile.
 */
import type { DebugProtocol as Dap } from '@vscode/debugprotocol';
import type { CustomArguments, CustomEvents, CustomRequest, CustomResults } from './contract/requests.ts';

export type { DebugProtocol as Dap } from '@vscode/debugprotocol';

type Of<Arguments, Response extends Dap.Response> = { args: Arguments; body: Response['body'] };

interface StandardRequests {
  initialize: Of<Dap.InitializeRequestArguments, Dap.InitializeResponse>;
  launch: Of<Dap.LaunchRequestArguments, Dap.LaunchResponse>;
  attach: Of<Dap.AttachRequestArguments, Dap.AttachResponse>;
  configurationDone: Of<Dap.ConfigurationDoneArguments, Dap.ConfigurationDoneResponse>;
  disconnect: Of<Dap.DisconnectArguments | undefined, Dap.DisconnectResponse>;
  terminate: Of<Dap.TerminateArguments | undefined, Dap.TerminateResponse>;
  restart: Of<Dap.RestartArguments | undefined, Dap.RestartResponse>;
  setBreakpoints: Of<Dap.SetBreakpointsArguments, Dap.SetBreakpointsResponse>;
  setFunctionBreakpoints: Of<Dap.SetFunctionBreakpointsArguments, Dap.SetFunctionBreakpointsResponse>;
  setInstructionBreakpoints: Of<
    Dap.SetInstructionBreakpointsArguments,
    Dap.SetInstructionBreakpointsResponse
  >;
  setExceptionBreakpoints: Of<Dap.SetExceptionBreakpointsArguments, Dap.SetExceptionBreakpointsResponse>;
  breakpointLocations: Of<Dap.BreakpointLocationsArguments, Dap.BreakpointLocationsResponse>;
  exceptionInfo: Of<Dap.ExceptionInfoArguments, Dap.ExceptionInfoResponse>;
  threads: Of<undefined, Dap.ThreadsResponse>;
  stackTrace: Of<Dap.StackTraceArguments, Dap.StackTraceResponse>;
  scopes: Of<Dap.ScopesArguments, Dap.ScopesResponse>;
  variables: Of<Dap.VariablesArguments, Dap.VariablesResponse>;
  setVariable: Of<Dap.SetVariableArguments, Dap.SetVariableResponse>;
  setExpression: Of<Dap.SetExpressionArguments, Dap.SetExpressionResponse>;
  evaluate: Of<Dap.EvaluateArguments, Dap.EvaluateResponse>;
  completions: Of<Dap.CompletionsArguments, Dap.CompletionsResponse>;
  continue: Of<Dap.ContinueArguments, Dap.ContinueResponse>;
  pause: Of<Dap.PauseArguments, Dap.PauseResponse>;
  next: Of<Dap.NextArguments, Dap.NextResponse>;
  stepIn: Of<Dap.StepInArguments, Dap.StepInResponse>;
  stepOut: Of<Dap.StepOutArguments, Dap.StepOutResponse>;
  gotoTargets: Of<Dap.GotoTargetsArguments, Dap.GotoTargetsResponse>;
  goto: Of<Dap.GotoArguments, Dap.GotoResponse>;
  source: Of<Dap.SourceArguments, Dap.SourceResponse>;
  loadedSources: Of<Dap.LoadedSourcesArguments | undefined, Dap.LoadedSourcesResponse>;
  modules: Of<Dap.ModulesArguments | undefined, Dap.ModulesResponse>;
  disassemble: Of<Dap.DisassembleArguments, Dap.DisassembleResponse>;
  readMemory: Of<Dap.ReadMemoryArguments, Dap.ReadMemoryResponse>;
  writeMemory: Of<Dap.WriteMemoryArguments, Dap.WriteMemoryResponse>;
  cancel: Of<Dap.CancelArguments | undefined, Dap.CancelResponse>;
}

type CustomRequests = {
  [R in CustomRequest]: { args: CustomArguments<R> | undefined; body: CustomResults[R] };
};

export type Requests = StandardRequests & CustomRequests;
export type Command = keyof Requests;

/** Answers for some commands: arguments in, the body of the response out. A rejection becomes an error response. */
export type Handlers<Context> = {
  readonly [C in Command]?: (context: Context, args: Requests[C]['args']) => Promise<Requests[C]['body']>;
};

/** Events the adapter sends, with their bodies. */
export interface AdapterEvents extends CustomEvents {
  initialized: undefined;
  stopped: Dap.StoppedEvent['body'];
  continued: Dap.ContinuedEvent['body'];
  output: Dap.OutputEvent['body'];
  exited: Dap.ExitedEvent['body'];
  terminated: undefined;
  breakpoint: Dap.BreakpointEvent['body'];
  invalidated: Dap.InvalidatedEvent['body'];
  memory: Dap.MemoryEvent['body'];
}
export type OutputCategory = 'console' | 'important' | 'stdout' | 'stderr';
