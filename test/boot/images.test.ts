import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { VmEnd } from '../../vmm/protocol/messages.ts';
import { machineFromFiles } from '../support/conversation.ts';
import { describeWith } from '../support/tools.ts';

/** An image with the mailboxes of the host-target interface, as RISC-V's own tests have them. */
const htif = (body: string): string => `
  .globl _start, tohost, fromhost
_start:
  la s0, tohost
  la s1, fromhost
${body}
1: j 1b
  .align 6
tohost: .dword 0
  .align 6
fromhost: .dword 0
`;

/** A kernel linked for virtual addresses and loaded at physical ones: it builds a table and turns on Sv39. */
const PAGED = `
  .globl _start
_start:
  la t0, table
  /* One gigabyte page each: 0x80000000 where it is, and at the link address 0xffffffff80000000. */
  li t1, (0x80000000 >> 12 << 10) | 0xcf
  sd t1, 2 * 8(t0)
  li t2, 510 * 8
  add t2, t2, t0
  sd t1, 0(t2)
  srli t0, t0, 12
  li t1, 8 << 60
  or t0, t0, t1
  csrw satp, t0
  sfence.vma
  lui t0, %hi(high)
  addi t0, t0, %lo(high)
  jr t0
high:
  auipc a0, 0
  li a7, 0x4442434e
  li a6, 2
  srli a0, a0, 63
  addi a0, a0, '0'
  ecall
  li a7, 8
  ecall
  .align 12
table: .fill 512, 8, 0
`;
const PAGED_SCRIPT = `
ENTRY(_start)
SECTIONS {
  . = 0xffffffff80400000;
  .text : AT(0x80400000) { *(.text) }
}
`;

describeWith(['riscv64-unknown-elf-gcc'], 'images built by the cross compiler', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'images-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function link(source: string, ...options: string[]): string {
    const file = join(folder, 'image.S');
    const elf = join(folder, 'image.elf');
    writeFileSync(file, source);
    const flags = ['-march=rv64gc', '-mabi=lp64d', '-mcmodel=medany', '-nostdlib', '-static'];
    execFileSync('riscv64-unknown-elf-gcc', [...flags, ...options, file, '-o', elf], { stdio: 'pipe' });
    return elf;
  }

  function run(elf: string, firmware: 'none' | 'builtin', typed = ''): { end: VmEnd | null; output: string } {
    let output = '';
    const machine = machineFromFiles({ kernel: elf, firmware }, (text) => (output += text));
    machine.consoleInput(Buffer.from(typed));
    machine.run(10_000_000);
    return { end: machine.end, output };
  }

  const BARE = '-Wl,-Ttext=0x80000000';

  test.each<[string, string, VmEnd]>([
    ['1: a pass', 'li t0, 1\n sd t0, 0(s0)', { reason: 'pass', code: 0 }],
    ['a code', 'li t0, 42 << 1 | 1\n sd t0, 0(s0)', { reason: 'fail', code: 42 }],
    ['two words', 'li t0, 7\n sw t0, 0(s0)\n sw zero, 4(s0)', { reason: 'fail', code: 3 }],
    ['two words, high first', 'li t0, 7\n sw zero, 4(s0)\n sw t0, 0(s0)', { reason: 'fail', code: 3 }],
  ])('tohost: %s', (_, body, end) => expect(run(link(htif(body), BARE), 'none').end).toEqual(end));

  test('the console of the proxy kernel', () => {
    const put = (character: string) => `
      li t0, (1 << 56) | (1 << 48) | '${character}'
      sd t0, 0(s0)
    2: ld t1, 0(s0)
      bnez t1, 2b
    `;
    const get = `
      li t0, 1 << 56
      sd t0, 0(s0)
    3: ld t1, 0(s1)
      beqz t1, 3b
      sd zero, 0(s1)
      andi t1, t1, 0xff
      slli t1, t1, 1
      ori t1, t1, 1
      sd t1, 0(s0)
    `;
    const { output, end } = run(link(htif(`${put('h')}${put('i')}${get}`), BARE), 'none', '!');
    expect(output).toBe('hi');
    expect(end).toEqual({ reason: 'fail', code: 0x21 });
  });

  test('a kernel linked for paging starts at its physical entry', () => {
    const script = join(folder, 'paged.ld');
    writeFileSync(script, PAGED_SCRIPT);
    const elf = link(PAGED, '-mcmodel=medlow', `-Wl,-T,${script}`);
    // The sign bit of pc at the link address is the digit printed.
    expect(run(elf, 'builtin')).toEqual({ end: { reason: 'shutdown', code: 0 }, output: '1' });
  });
});
