/** The straight pieces of lockstep programs: one instruction, or a few that only make sense together. */
import { assert } from '../../vmm/base/assert.ts';
import { encodeImmediate } from '../../vmm/isa/formats.ts';
import { INSTRUCTIONS } from '../../vmm/isa/table.ts';
import type { Random } from '../support/random.ts';
import {
  add,
  addi,
  andi,
  auipc,
  csr,
  EBREAK,
  ECALL,
  FENCE_I,
  jal,
  jalr,
  ld,
  lui,
  MRET,
  newLabel,
  R,
  SRET,
  sd,
  sfenceVma,
  slli,
  store,
  WFI,
} from './lockstep-code.ts';
import { type Context, constant, constant64, dataPage, scratch, windowAddress } from './lockstep-context.ts';
import {
  compressed,
  compressedAccess,
  destination,
  illegal,
  instruction,
  source,
} from './lockstep-instructions.ts';
import { ALIAS_OFFSET, CODE, DATA, DEVICE_OFFSET, PAGE, RAM_PAGES, REGISTER } from './lockstep-layout.ts';
import { type Entry, oddEntry, pte, satpOf } from './lockstep-tables.ts';

export type Unit = (context: Context) => void;

/** Units with their weights: fixed, or by the program's flavour. */
export const UNITS: readonly { readonly unit: Unit; readonly weight: (context: Context) => number }[] = [
  { unit: straight, weight: () => 40 },
  { unit: accesses, weight: ({ flavour }) => 8 * flavour.memory },
  { unit: pointers, weight: ({ flavour }) => 3 * flavour.memory },
  { unit: atomics, weight: ({ flavour }) => 2 * flavour.memory },
  { unit: reservation, weight: ({ flavour }) => 2 * flavour.memory },
  { unit: floats, weight: ({ flavour }) => 5 * flavour.float },
  { unit: counter, weight: () => 2 },
  { unit: jumpTable, weight: () => 6 },
  { unit: floatState, weight: ({ flavour }) => flavour.float },
  { unit: rewrite, weight: ({ flavour }) => 4 * flavour.selfModification },
  { unit: rewriteAhead, weight: ({ flavour }) => 3 * flavour.selfModification },
  { unit: pageTableChange, weight: ({ flavour, paging }) => (paging === null ? 0 : 4 * flavour.paging) },
  { unit: addressSpace, weight: ({ flavour, paging }) => (paging === null ? 0 : flavour.paging) },
  { unit: fence, weight: ({ flavour }) => flavour.paging },
  { unit: status, weight: ({ flavour }) => 2 * flavour.privileged },
  { unit: privilegedRegister, weight: ({ flavour }) => flavour.privileged },
  { unit: trapReturn, weight: ({ flavour }) => flavour.privileged },
  { unit: interruptEnable, weight: ({ flavour }) => 2 * flavour.interrupts },
  { unit: timer, weight: ({ flavour }) => 2 * flavour.interrupts },
  { unit: device, weight: ({ flavour }) => 2 * flavour.interrupts },
  { unit: wait, weight: ({ flavour }) => flavour.interrupts },
  { unit: fault, weight: ({ flavour }) => 2 * flavour.faults },
];

/** A few random instructions that compute, with an access now and then. */
function straight(context: Context): void {
  const { random, code, hot, flavour } = context;
  for (let count = 1 + random.below(6); count > 0; count--) {
    if (random.below(10) < flavour.compressed * 3) {
      code.put(random.below(5) ? compressed(random) : compressedAccess(random));
    } else if (random.below(30) < flavour.float) {
      code.put(instruction(random, 'float', hot));
    } else {
      code.put(
        instruction(random, random.below(8) ? 'integer' : random.pick(['load', 'store'] as const), hot),
      );
    }
  }
}

function accesses(context: Context): void {
  const { random, code, hot } = context;
  for (let count = 1 + random.below(5); count > 0; count--) {
    code.put(
      random.below(4)
        ? instruction(random, random.pick(['load', 'store'] as const), hot)
        : compressedAccess(random),
    );
  }
}

function floats(context: Context): void {
  const { random, code, hot } = context;
  for (let count = 1 + random.below(3); count > 0; count--) code.put(instruction(random, 'float', hot));
}

function atomics({ random, code, hot }: Context): void {
  code.put(instruction(random, 'atomic', hot));
}

/** A jump through a table, as of a `switch`, to one of a few cases that are left by a jump or run into the next. */
function jumpTable(context: Context): void {
  const { random, code, hot } = context;
  const selector = scratch(context);
  const address = scratch(context, selector);
  const cases = newLabel();
  const behind = newLabel();
  const count = random.pick([2, 4, 8]);
  code.put(andi(selector, source(random, hot), count - 1));
  code.put(slli(selector, selector, 3));
  code.address(address, cases);
  code.put(add(address, address, selector));
  code.put(jalr(0, address, 0));
  code.place(cases);
  for (let index = 0; index < count; index++) {
    // Eight bytes each.
    code.put(addi(destination(random, hot), source(random, hot), random.below(2048)));
    if (random.below(4)) code.jump(jal(0), behind);
    else code.put(instruction(random, 'load', hot));
  }
  code.place(behind);
}

/** Puts one of the pointers somewhere else. */
function pointers(context: Context): void {
  const { random, code } = context;
  const toEdge = random.below(2) === 0;
  const within = toEdge ? PAGE - random.below(24) : 16 * (64 + random.below(128));
  const register = toEdge ? REGISTER.edge : REGISTER.middle;
  const low = windowAddress(context, register, dataPage(context) + within);
  code.put(addi(register, register, low));
}

const LR = { w: 0x1000_202f, d: 0x1000_302f } as const;
const SC = { w: 0x1800_202f, d: 0x1800_302f } as const;

/** `lr`, something, `sc`: mostly of the same width at the same place. */
function reservation({ random, code, hot }: Context): void {
  const base = random.below(6) ? REGISTER.middle : REGISTER.edge;
  const width = random.below(2) ? 'w' : 'd';
  code.put(R(LR[width], random.pick(hot.x), base, 0));
  for (let count = random.below(3); count > 0; count--) {
    code.put(
      instruction(random, random.below(4) ? 'integer' : random.pick(['store', 'atomic'] as const), hot),
    );
  }
  const other = random.below(8) === 0;
  const code_ = SC[other === (width === 'w') ? 'd' : 'w'];
  code.put(R(code_, destination(random, hot), random.below(10) ? base : REGISTER.stack, source(random, hot)));
}

const CYCLE = 0xc00;
const TIME = 0xc01;
const INSTRET = 0xc02;
const CSR_READ = 2;

function counter({ random, code, hot }: Context): void {
  code.put(csr(CSR_READ, destination(random, hot), random.pick([CYCLE, TIME, INSTRET, INSTRET, 0xc03]), 0));
}

/** fflags, frm, fcsr: read, written, or both. */
function floatState({ random, code, hot }: Context): void {
  const number = 1 + random.below(3);
  // Mostly small numbers: a reserved rounding mode makes most instructions illegal from then on.
  const byRegister = random.below(5) === 0;
  const kind = 1 + random.below(3);
  const value = byRegister ? source(random, hot) : random.below(number === 2 ? 5 : 32);
  code.put(csr(byRegister ? kind : kind + 4, destination(random, hot), number, value));
}

/** A word to write over an instruction: one that only computes, a jump nearby, or anything. */
function replacement({ random, hot }: Context): number {
  switch (random.below(8)) {
    case 0:
      return random.below(2 ** 32);
    case 1:
      return 0x6f | encodeImmediate('J', random.below(64) * 2 - 32);
    case 2:
      return compressed(random) | (compressed(random) << 16);
    default:
      return instruction(random, 'integer', hot);
  }
}

function maybeFenceI({ random, code }: Context): void {
  if (random.below(2)) code.put(FENCE_I);
}

/** Stores something over code that is there already, or will be. */
function rewrite(context: Context): void {
  const { random, code } = context;
  const word = scratch(context);
  const address = scratch(context, word);
  constant(context, word, replacement(context));
  const backward = code.starts.length > 0 && random.below(4) > 0;
  const near = Math.max(0, code.starts.length - 1 - random.below(60));
  const anywhere = random.below(code.starts.length);
  const target = backward
    ? code.starts[random.below(3) ? near : anywhere]!
    : CODE.offset + 2 * random.below((CODE.pages * PAGE) / 2);
  const low = windowAddress(context, address, target);
  code.put(store(random.pick([0, 1, 2, 2, 2, 3]), word, address, low));
  maybeFenceI(context);
}

/** Stores over one of the next few instructions. */
function rewriteAhead(context: Context): void {
  const { random, code, hot } = context;
  const word = scratch(context);
  const address = scratch(context, word);
  constant(context, word, replacement(context));
  code.put(auipc(address, 0));
  const ahead = 8 + 2 * random.below(8);
  code.put(store(random.pick([1, 2, 2, 2, 3]), word, address, ahead));
  if (random.below(3) === 0) code.put(FENCE_I);
  for (let count = 1 + random.below(6); count > 0; count--) code.put(instruction(random, 'integer', hot));
}

/** Rewrites a page-table entry, fences or does not, and mostly uses the page. */
function pageTableChange(context: Context): void {
  const { random, code, hot } = context;
  const entry = entryInUse(context);
  const value = scratch(context);
  const address = scratch(context, value);
  const other = scratch(context, value, address);
  const low = windowAddress(context, address, entry.offset);
  if (random.below(3) === 0) {
    // Takes the accessed and dirty bits back, atomically.
    code.put(addi(address, address, low));
    code.put(addi(value, 0, -193));
    code.put(R(0x6000_302f, other, address, value)); // amoand.d
  } else {
    constant(context, value, changedEntry(random, entry));
    code.put(sd(value, address, low));
  }
  const fences = random.below(4);
  if (fences === 0) code.put(sfenceVma(0, 0));
  const page = windowAddress(context, address, entry.page);
  if (fences === 1) code.put(sfenceVma(address, 0));
  switch (random.below(4)) {
    case 3:
      startAnew(context);
      break;
    case 0:
      code.put(ld(destination(random, hot), address, page + 8 * random.below(4)));
      break;
    case 1:
      code.put(sd(source(random, hot), address, page + 8 * random.below(4)));
      break;
  }
}

/** A jump to the next instruction: translated code that the fence ended begins again there. */
function startAnew({ code }: Context): void {
  const next = newLabel();
  code.jump(jal(0), next);
  code.place(next);
}

/** Mostly of the page that this code is in or one beside it, or of one with data; and mostly one in force. */
function entryInUse({ random, code, paging, privilege }: Context): Entry {
  const { entries } = paging!;
  const choice = random.below(10);
  // Near the end of a page rather the next one, which the code comes to soon.
  const nearEnd = code.offset % PAGE > PAGE - 400;
  const beside = nearEnd && random.below(2) ? 1 : random.below(3) - 1;
  const here = code.offset - (code.offset % PAGE) + PAGE * beside;
  const data = DATA.offset + PAGE * random.below(DATA.pages) + (choice < 7 ? ALIAS_OFFSET : 0);
  const wanted = choice < 5 ? here : data;
  const inForce = random.below(4) > 0;
  const found = entries.filter(
    ({ page, user, first }) => page === wanted && (!inForce || (first && user === (privilege === 0))),
  );
  return random.pick(choice < 9 && found.length > 0 ? found : entries);
}

function changedEntry(random: Random, { value }: Entry): number {
  if (random.below(2)) return value | 0;
  const target = (((value >>> 10) << 12) >>> 0) - 0x8000_0000;
  // Of a superpage, or of an entry that was odd before, any page.
  const inRam = target > 0 && target < RAM_PAGES * PAGE;
  const flags = value & 0x3ff;
  return (
    (inRam ? oddEntry(random, target, flags) : pte(CODE.offset + PAGE * random.below(10), flags | 0xc0)) | 0
  );
}

const SATP = 0x180;

/** Another root, another identifier of the same one, none, or a mode that does not exist. */
function addressSpace(context: Context): void {
  const { random, code, paging } = context;
  const { levels, roots } = paging!;
  const value = scratch(context);
  const choice = random.below(8);
  if (choice === 0) {
    code.put(csr(1, random.below(2) ? scratch(context) : 0, SATP, 0));
    return;
  }
  const root = choice < 5 ? roots[1] : roots[0];
  const satp = choice === 1 ? 1n << 60n : satpOf(levels, root, random.pick([0, 0, 1]));
  constant64(context, value, scratch(context, value), satp);
  code.put(csr(1, 0, SATP, value));
  if (random.below(2)) code.put(sfenceVma(0, 0));
}

/** The parts that sfence.vma can be taken apart into. */
const SINVAL_VMA = matchOf('sinval.vma');
const FENCES = [matchOf('sfence.w.inval'), matchOf('sfence.inval.ir'), FENCE_I];

function fence(context: Context): void {
  const { random, code } = context;
  const operand = (): number => (random.below(2) ? 0 : random.pick([REGISTER.middle, REGISTER.edge]));
  const choice = random.below(9);
  if (choice < 3) code.put(random.pick(FENCES));
  else if (choice < 5) code.put(R(SINVAL_VMA, 0, operand(), operand()));
  else code.put(sfenceVma(operand(), operand()));
  if (random.below(3) === 0) startAnew(context);
}

function matchOf(name: string): number {
  const found = INSTRUCTIONS.find((candidate) => candidate.name === name);
  assert(found !== undefined, `the table has ${name}`);
  return found.match;
}

const MSTATUS = 0x300;
const SSTATUS = 0x100;
const STATUS_BITS = {
  FS: 3 << 13,
  MPRV: 1 << 17,
  SUM: 1 << 18,
  MXR: 1 << 19,
  TVM: 1 << 20,
  TW: 1 << 21,
  TSR: 1 << 22,
} as const;
const MPP_USER_AND_SUPERVISOR = [0, 1 << 11] as const;

/** Sets or clears bits of mstatus or sstatus that say what memory may be accessed, and accesses some. */
function status(context: Context): void {
  const { random, code, privilege, hot } = context;
  const { FS, MPRV, SUM, MXR, TVM, TW, TSR } = STATUS_BITS;
  const bits = random.pick([SUM, SUM, MXR, MXR, SUM | MXR, MPRV, MPRV, MPRV | SUM, FS, TVM, TW, TSR]);
  const value = scratch(context);
  const number = privilege === 3 ? MSTATUS : SSTATUS;
  if (bits & MPRV && privilege === 3) {
    // The privilege that accesses have then: S or U, for with M nothing changes.
    code.put(lui(value, 0x2000));
    code.put(addi(value, value, -0x800));
    code.put(csr(3, 0, MSTATUS, value));
    constant(context, value, random.pick(MPP_USER_AND_SUPERVISOR) | bits);
    code.put(csr(2, 0, MSTATUS, value));
  } else {
    constant(context, value, bits);
    // FS is mostly put back on: without it all floating point is illegal.
    const sets = bits === FS ? random.below(4) > 0 : random.below(2) === 0;
    code.put(csr(sets ? 2 : 3, random.below(3) ? 0 : destination(random, hot), number, value));
  }
  for (let count = random.below(4); count > 0; count--) {
    code.put(instruction(random, random.pick(['load', 'store'] as const), hot));
  }
}

const MCYCLE = 0xb00;
const MINSTRET = 0xb02;
const MCOUNTINHIBIT = 0x320;
const HPMCOUNTER3 = 0xc03;
const MHPMCOUNTER3 = 0xb03;
const MHPMEVENT3 = 0x323;
/** CSRs that may change without taking the program off its rails. */
const REGISTERS: Readonly<Record<0 | 1 | 3, readonly number[]>> = {
  0: [CYCLE, TIME, INSTRET, HPMCOUNTER3, 0x140, 0xc1f, 0x5c0],
  1: [0x140, 0x141, 0x142, 0x143, 0x106, 0x144, SSTATUS, CYCLE, INSTRET, HPMCOUNTER3, 0x10a, 0x300, 0x5c0],
  3: [
    0x340,
    0x341,
    0x342,
    0x343,
    0x140,
    0x141,
    MCYCLE,
    MINSTRET,
    MCOUNTINHIBIT,
    MCOUNTINHIBIT,
    MHPMCOUNTER3,
    MHPMEVENT3,
    0xf14,
    0x301,
    0x344,
  ],
};
const MEDELEG = 0x302;
const MIDELEG = 0x303;
const MENVCFG = 0x30a;
const PMPCFG0 = 0x3a0;
const PMPADDR0 = 0x3b0;

/** Reads, writes or changes a CSR of the privilege level. */
function privilegedRegister(context: Context): void {
  const { random, code, hot, privilege } = context;
  if (privilege === 3 && random.below(5) === 0) {
    protection(context);
    return;
  }
  const number = random.pick(REGISTERS[privilege]);
  const kind = 1 + random.below(3);
  const immediate = random.below(2) === 0 || number === MCOUNTINHIBIT;
  const value = immediate ? random.below(32) : source(random, hot);
  code.put(csr(immediate ? kind + 4 : kind, destination(random, hot), number, value));
}

/** Delegation, environment configuration, or physical memory protection. */
function protection(context: Context): void {
  const { random, code, hot } = context;
  const value = scratch(context);
  switch (random.below(4)) {
    case 0:
      constant(context, value, random.pick([0, 0xb1ff, 0xa100, 0x100]));
      code.put(csr(1, 0, random.below(3) ? MEDELEG : MIDELEG, value));
      return;
    case 1:
      // Hardware updates of A and D, and stimecmp, on or off.
      code.put(addi(value, 0, random.pick([1, 4, 5])));
      code.put(0x1013 | (value << 7) | (value << 15) | (61 << 20));
      code.put(csr(2 + random.below(2), 0, MENVCFG, value));
      return;
    case 2:
      // A region of a code or data page, whose rights entry 0 holds.
      constant(context, value, (0x8000_0000 + CODE.offset + random.below(14 * PAGE)) >>> 2);
      code.put(csr(1, 0, PMPADDR0 + random.below(2), value));
      return;
    default:
      code.put(addi(value, 0, random.pick([0x10, 0x13, 0x17, 0x1b, 0x1f, 0x08])));
      code.put(csr(1, random.below(2) ? destination(random, hot) : 0, PMPCFG0, value));
      return;
  }
}

/** Returns from no trap: to the instruction behind, at the present level or, from M-mode, at another. */
function trapReturn(context: Context): void {
  const { random, code, privilege } = context;
  const target = scratch(context);
  const bits = scratch(context, target);
  const behind = newLabel();
  const machine = privilege === 3;
  code.address(target, behind);
  code.put(csr(1, 0, machine ? 0x341 : 0x141, target));
  if (machine && random.below(3)) {
    code.put(lui(bits, 0x2000));
    code.put(addi(bits, bits, -0x800));
    code.put(csr(2, 0, MSTATUS, bits));
  } else if (!machine) {
    code.put(addi(bits, 0, 0x100));
    code.put(csr(random.below(6) ? 2 : 3, 0, SSTATUS, bits));
  }
  code.put(machine ? MRET : SRET);
  code.place(behind);
}

const MIE = 0x304;
const SIE = 0x104;
const SIP = 0x144;

function interruptEnable(context: Context): void {
  const { random, code, privilege } = context;
  const machine = privilege === 3;
  switch (random.below(4)) {
    case 0: {
      const bits = scratch(context);
      constant(context, bits, random.pick([0x222, 0xaaa, 0x020, 0x880, 0x008]));
      code.put(csr(2 + random.below(2), 0, machine ? MIE : SIE, bits));
      return;
    }
    case 1:
      // SSIP.
      code.put(csr(random.below(3) ? 6 : 7, 0, machine ? 0x344 : SIP, 2));
      return;
    default:
      // MIE or SIE.
      code.put(csr(random.below(3) ? 6 : 7, 0, machine ? MSTATUS : SSTATUS, machine ? 8 : 2));
  }
}

/** The next timer interrupt in a few ticks. */
function timer(context: Context): void {
  const { random, code } = context;
  const time = scratch(context);
  code.put(csr(CSR_READ, time, TIME, 0));
  code.put(addi(time, time, random.below(40)));
  code.put(csr(1, 0, 0x14d, time));
}

/** Reads or writes a register of the device; see `LockstepDevice` for what they do. */
function device(context: Context): void {
  const { random, code, hot } = context;
  const address = scratch(context);
  const low = windowAddress(context, address, DEVICE_OFFSET + 8 * random.below(8));
  if (random.below(3) === 0) {
    const size = random.below(4);
    code.put(
      0x03 | (size << 12) | (destination(random, hot) << 7) | (address << 15) | encodeImmediate('I', low),
    );
  } else {
    code.put(store(random.pick([0, 2, 3, 3]), source(random, hot), address, low));
  }
}

const WAITS = [WFI, WFI, matchOf('wrs.nto'), matchOf('wrs.sto'), matchOf('pause')];

function wait(context: Context): void {
  timer(context);
  context.code.put(context.random.pick(WAITS));
}

/** Something that traps. */
function fault(context: Context): void {
  const { random, code, hot } = context;
  const address = scratch(context);
  switch (random.below(9)) {
    case 0:
      code.put(ECALL);
      return;
    case 1:
      code.put(random.below(2) ? EBREAK : 0x9002);
      return;
    case 2:
      code.put(illegal(random));
      return;
    case 3:
      // An address that no window has, or that is no address.
      constant64(context, address, scratch(context, address), wild(random));
      code.put(ld(destination(random, hot), address, 0));
      return;
    case 4:
      constant64(context, address, scratch(context, address), wild(random));
      code.put(
        random.below(2)
          ? sd(source(random, hot), address, 0)
          : R(0x302f, destination(random, hot), address, 0),
      );
      return;
    case 5:
      // A misaligned atomic.
      code.put(addi(address, REGISTER.middle, 1 + random.below(7)));
      code.put(R(random.pick([LR.w, LR.d, SC.d, 0x202f, 0x0800_302f]), destination(random, hot), address, 0));
      return;
    case 6: {
      // A jump to where nothing is, or to an odd address.
      const low = windowAddress(context, address, RAM_PAGES * PAGE + random.below(3) * 0x1000);
      code.put(jalr(random.pick([0, 1, 5]), address, low + random.below(4)));
      return;
    }
    case 7:
      // Two instructions on, by a jump whose address is odd.
      code.put(auipc(address, 0));
      code.put(jalr(0, address, 9));
      return;
    default:
      // Into the middle of an instruction.
      code.put(auipc(address, 0));
      code.put(add(address, address, 0));
      code.put(jalr(0, address, 14));
      code.put(andi(address, address, random.below(2048)));
      return;
  }
}

function wild(random: Random): bigint {
  const value = random.next();
  switch (random.below(4)) {
    case 0:
      return value & ~7n;
    case 1:
      return value & 0xf_fff8n;
    case 2:
      return BigInt.asUintN(64, BigInt.asIntN(40, value)) & ~7n;
    default:
      // Where the page number is as high as it can be, and the next address is 0.
      return 0xffff_ffff_ffff_fff8n + (value & 7n);
  }
}
