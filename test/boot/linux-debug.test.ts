/** Debian's stripped kernel in the debugger: its names come from the kernel image itself. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { CustomResults } from '../../debug-adapter/contract/requests.ts';
import { linuxSymbols } from '../../vmm/formats/linux-image.ts';
import { DapClient } from '../support/dap.ts';
import { describeWithLinux } from '../support/linux-guests.ts';
import { linuxInitramfs } from '../support/linux-initramfs.ts';

const MIB = 1 << 20;
/** Where the kernel is loaded, and where it is linked (Linux, `Documentation/arch/riscv/vm-layout.rst`). */
const RAM = 0x8000_0000n;
const LOADED_AT = RAM + 0x20_0000n;
const LINKED_AT = 0xffff_ffff_8000_0000n;
/** Only a hang takes it. */
const TIMEOUT_MS = 900_000;

type Walk = CustomResults['hartscope/walk'];

describeWithLinux("Debian's Linux in the debugger", (linux) => {
  let folder: string;
  let dap: DapClient;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hartscope-linux-debug-'));
    writeFileSync(join(folder, 'initrd'), linuxInitramfs(linux, ['virtio_mmio', 'virtio_blk']));
    writeFileSync(join(folder, 'disk'), new Uint8Array(MIB));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(async () => {
    dap = await DapClient.start();
  });
  afterEach(() => dap.stop());

  const type = (text: string) => dap.request('hartscope/consoleWrite', { text });
  const walk = (address: string, access?: string): Promise<Walk> =>
    dap.request('hartscope/walk', { address, ...(access && { access }) });
  const names = async (): Promise<(string | undefined)[]> =>
    (await dap.frames()).map(({ name }) => name.replace(/\+0x.*/, ''));

  async function breakIn(...functions: string[]): Promise<boolean[]> {
    const { breakpoints } = await dap.request<{ breakpoints: DebugProtocol.Breakpoint[] }>(
      'setFunctionBreakpoints',
      { breakpoints: functions.map((name) => ({ name })) },
    );
    return breakpoints.map(({ verified }) => verified);
  }

  async function breakOn(...filters: { filterId: string; condition: string }[]): Promise<void> {
    await dap.request('setExceptionBreakpoints', { filters: [], filterOptions: filters });
  }

  test(
    'start_kernel by name, steps, a probe of virtio-blk and its exits, kernel and user addresses',
    async () => {
      await dap.request('initialize', { adapterID: 'hartscope', pathFormat: 'path' });
      await dap.request('launch', {
        kernel: linux.kernel,
        initrd: join(folder, 'initrd'),
        append: 'console=ttyS0 quiet',
        memory: '256M',
        drives: [{ file: join(folder, 'disk'), format: 'raw', overlay: true }],
        time: 'free',
        exits: [],
      });
      await dap.next('initialized');
      expect(await breakIn('start_kernel', 'virtio_dev_probe')).toEqual([true, true]);

      // The kernel has turned its page tables on before, and jumps here for good.
      expect(await dap.run()).toMatchObject({ reason: 'function breakpoint' });
      expect(await names()).toEqual(['start_kernel']);
      const [frame] = await dap.frames();
      const pc = BigInt(frame!.instructionPointerReference!);
      const symbols = linuxSymbols(readFileSync(linux.kernel));
      const addressOf = (name: string): bigint => symbols.find((symbol) => symbol.name === name)!.address;
      expect(pc).toBe(addressOf('start_kernel'));
      await dap.runUntilStop('stepIn', { granularity: 'instruction' });
      const [stepped] = await dap.frames();
      expect(stepped!.name).toMatch(/^start_kernel\+0x[24]$/);

      const code = await walk('$pc', 'execute');
      expect(code.mode).toBe('Sv57');
      expect(code.levels.at(-1)).toMatchObject({ leaf: true });
      expect(code.levels.at(-1)!.flags).toBe('VRWXGAD');
      const here = BigInt(stepped!.instructionPointerReference!);
      expect(BigInt(code.physical!)).toBe(here - LINKED_AT + LOADED_AT);

      // The banner is where the kernel's own symbols say, and is read through its page tables.
      const { data } = await dap.request<{ data: string }>('readMemory', {
        memoryReference: `0x${addressOf('linux_banner').toString(16)}`,
        count: 40,
      });
      expect(Buffer.from(data, 'base64').toString('latin1')).toContain(`Linux version ${linux.release}`);

      // The disk's driver is probed when its module is loaded.
      await dap.runUntilStop('continue');
      expect((await names()).slice(0, 3)).toEqual([
        'virtio_dev_probe',
        'really_probe',
        '__driver_probe_device',
      ]);
      // By now the kernel has write-protected its code.
      expect((await walk('$pc', 'execute')).fault).toBeUndefined();
      expect((await walk('$pc', 'write')).fault).toContain('W');
      // The first drive is in the last slot, as on QEMU.
      await breakOn({ filterId: 'mmio', condition: 'device == "virtio7" && register == "Status" && write' });
      for (const status of [STATUS.driver, STATUS.driverOk]) {
        const { text } = await dap.runUntilStop('continue');
        expect(text).toBe(`write virtio7.Status = ${status}`);
      }
      await breakIn();
      await breakOn();

      // A user's address: of the shell, which asks for something.
      await dap.request('continue', { threadId: 1 });
      await dap.outputWith('stdout', '~ # ');
      await breakOn({ filterId: 'trap', condition: 'cause == 8 && from == "U"' });
      await type('echo typed\r');
      expect(await dap.next('stopped')).toMatchObject({ reason: 'exception' });
      const user = await walk('$pc', 'execute');
      expect(user.levels.at(-1)).toMatchObject({ leaf: true });
      expect(user.levels.at(-1)!.flags).toBe('VRXUA');
      expect(BigInt(user.address) < 1n << 56n).toBe(true);
      expect(BigInt(user.physical!)).toBeGreaterThanOrEqual(RAM);
      const stack = await walk('$sp', 'write');
      expect(stack.levels.at(-1)!.flags).toBe('VRWUAD');
      await breakOn();
      await dap.request('continue', { threadId: 1 });
      await dap.outputWith('stdout', '\ntyped\r\n');
      await dap.request('disconnect');
    },
    TIMEOUT_MS,
  );
});

/**
 * virtio 1.2, 2.1 "Device Status Field": the device is acknowledged before the driver is probed, and a legacy one has no step
 * in which features are agreed on.
 */
const STATUS = { driver: '0x3', driverOk: '0x7' } as const;
