import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'vitest';
import { createGuestMemory, createHartGroup } from '../vmm/hart/index.ts';
import { parseElf, SEGMENT_TYPE } from '../vmm/formats/elf.ts';
import { parseIsa } from '../vmm/isa/isa-text.ts';
import { csrByNumber } from '../vmm/isa/csrs.ts';
import { newerQemu, output } from './support/newer-tools.ts';
import { compileGuest, ramOf, temporaryFolder } from './support/qemu.ts';
const RAM_BASE = 0x8000_0000;
it.each([
  ['', 'smstateen=on,sscofpmf=on,svadu=on,svinval=on,svnapot=on,svpbmt=on,sstc=on,zicntr=on,zihpm=on,h=off', ['-DSTATEEN']],
  ['-smstateen,-ssstateen,-sscofpmf,-sstc,-zicntr,-zihpm', 'smstateen=off,sscofpmf=off,sstc=off,zicntr=off,zihpm=off,h=off,pmu-mask=0', []],
  ['-smstateen,-zihpm,-f', 'smstateen=off,zihpm=off,h=off,pmu-mask=0,f=off,d=off,zfa=off,zcd=off,zcf=off,zfh=off', []],
])('%s', (isa, cpu, flags) => {
  const folder = temporaryFolder();
  const kernel = compileGuest({ folder, sources: { 'm.S': readFileSync('/tmp/work/priv/csrmap.S') }, start: false, flags });
  const ramFile = join(folder, 'ram');
  const ram = ['-object', `memory-backend-file,id=ram,size=32M,mem-path=${ramFile},share=on`];
  output(newerQemu(), ['-M', 'virt,memory-backend=ram', ...ram, '-cpu', `rv64,${cpu}`, '-m', '32M', '-display', 'none', '-monitor', 'none', '-serial', 'none', '-nodefaults', '-bios', 'none', '-kernel', kernel]);
  const theirs = ramOf(ramFile, 0x8010_0000, 6 * 4096);
  const memory = createGuestMemory({ ramBase: RAM_BASE, ramSize: 32 << 20, harts: 1 });
  let ended = false;
  const group = createHartGroup({ memory, isa: parseIsa(isa), ports: {
    bus: { value: 0n, read: () => 'fault', write() { ended = true; group.harts[0]!.requestYield(); return 'ok'; } },
    exits: { count() {}, watches: () => false, report: () => 'continue' }, time: () => 0n, stepsAt: () => Infinity } });
  const hart = group.harts[0]!;
  for (const { type, paddr, data } of parseElf(readFileSync(kernel)).segments) if (type === SEGMENT_TYPE.load) memory.ram.set(data, Number(paddr) - RAM_BASE);
  hart.reset({ pc: BigInt(RAM_BASE), privilege: 3, a0: 0n, a1: 0n });
  hart.run(10_000_000);
  console.log('ended', ended);
  const ours = memory.ram.slice(0x10_0000, 0x10_0000 + 6 * 4096);
  const out: string[] = [];
  for (let n = 0; n < 4096; n++) {
    const a = [0,1,2,3,4,5].map((p) => ours[p * 4096 + n]).join('');
    const b = [0,1,2,3,4,5].map((p) => theirs[p * 4096 + n]).join('');
    if (a !== b) out.push(`0x${n.toString(16)} ${csrByNumber(n)?.name ?? '?'} ours ${a} qemu ${b}`);
  }
  console.log(isa, '\n' + out.join('\n'));
});
