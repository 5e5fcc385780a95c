import type {
  StartVmThread,
  VmCommand,
  VmReport,
  VmRequest,
  VmStart,
  VmThreadListener,
} from '../../vmm/contracts/worker.ts';
import type { VmInfo } from '../../vmm/protocol/messages.ts';

/** A VM's thread that does what the test says. Until told otherwise it answers `vm.state` and nothing else. */
export class FakeThread {
  readonly start: VmStart;
  readonly listener: VmThreadListener;
  readonly commands: VmCommand[] = [];
  /** Each time it was held or let go. */
  readonly held: boolean[] = [];
  terminated = false;

  constructor(start: VmStart, listener: VmThreadListener) {
    this.start = start;
    this.listener = listener;
  }

  get info(): VmInfo {
    const { vm, owned, config } = this.start;
    const { harts, memory } = config;
    return {
      vm,
      state: 'stopped',
      harts,
      memory,
      memoryInUse: 0,
      kernel: null,
      firmware: 'none',
      steps: 0n,
      endedWith: null,
      owned,
    };
  }

  /** Requests it was sent, `vm.state` left out. */
  get requests(): VmRequest[] {
    return this.commands.flatMap((command) =>
      command.kind === 'request' && command.request.method !== 'vm.state' ? [command.request] : [],
    );
  }

  report(report: VmReport): void {
    if (!this.terminated) this.listener.report(report);
  }

  /** Dies as a thread with an uncaught exception does. */
  die(error: string): void {
    this.listener.exited(error);
  }

  take(command: VmCommand): void {
    this.commands.push(command);
    if (command.kind === 'request' && command.request.method === 'vm.state') {
      this.report({ kind: 'response', id: command.request.id, result: { info: this.info, stop: null } });
    }
  }
}

/** Starts fake threads and keeps them; `whenMade` decides how each begins. */
export function fakeThreads(whenMade: (thread: FakeThread) => void): {
  readonly threads: FakeThread[];
  readonly start: StartVmThread;
} {
  const threads: FakeThread[] = [];
  const start: StartVmThread = (vmStart, listener) => {
    const thread = new FakeThread(vmStart, listener);
    threads.push(thread);
    setImmediate(() => whenMade(thread));
    return {
      post: (command) => thread.take(command),
      hold: (held) => thread.held.push(held),
      terminate: async () => {
        thread.terminated = true;
      },
    };
  };
  return { threads, start };
}
