/**
 * A supervisor on the built-in SBI for runs that must not depend on how they are cut: a U-mode program under Sv39 that
 * makes system calls, faults on a page that each call unmaps again, and stores across pages, while a timer interrupts
 * every few hundred steps. The handler mixes where and when each trap came (sepc, scause, stval, time, instret) into
 * `hash`, so that a single instruction's difference anywhere shows at the end.
 */
export const PAGED_SUPERVISOR = `
  # tables: root at +0x10000, level 1 at +0x11000, level 0 at +0x12000 of the image; pages at +0x14000
  lla s0, image
  li t0, 0x10000
  add s0, s0, t0
  srli s0, s0, 12
  slli s0, s0, 12            # root
  li t0, 0x1000
  add s1, s0, t0             # level 1
  add s2, s1, t0             # level 0

  li t1, 0x200000cf          # a gigapage at 2 GiB, identity, R W X A D
  sd t1, 16(s0)
  srli t1, s1, 2
  ori t1, t1, 1
  sd t1, 0(s0)
  srli t1, s2, 2
  ori t1, t1, 1
  sd t1, 16(s1)              # 4 MiB

  # two user pages of code, A clear
  lla t2, user
  srli t2, t2, 12
  slli t2, t2, 10
  ori t3, t2, 0x1b           # V R X U
  sd t3, 0(s2)
  addi t3, t3, 0x400
  sd t3, 8(s2)
  # one page of data, A and D clear; the page behind it comes by fault
  add t3, s2, t0
  add t3, t3, t0
  srli t3, t3, 2
  ori t3, t3, 0x17           # V R W U
  sd t3, 32(s2)
  addi t3, t3, 0x400
  lla t4, missing
  sd t3, 0(t4)
  lla t4, level0
  sd s2, 0(t4)

  lla t0, handler
  csrrw zero, stvec, t0
  lla t0, frame
  csrrw zero, sscratch, t0
  srli t0, s0, 12
  li t1, 8
  slli t1, t1, 60
  or t0, t0, t1
  csrrw zero, satp, t0
  sfence.vma zero, zero
  li t0, 0x20
  csrrs zero, sie, t0
  csrrs t0, time, zero
  addi t0, t0, 3
  csrrw zero, stimecmp, t0

  lla t0, user
  li t1, 0xfff
  and t0, t0, t1
  li t1, 0x400000
  add t0, t0, t1
  csrrw zero, sepc, t0
  li t0, 0x100
  csrrc zero, sstatus, t0    # SPP = U
  li t0, 0x20
  csrrs zero, sstatus, t0    # SPIE
  sret

handler:
  csrrw sp, sscratch, sp
  sd t0, 0(sp)
  sd t1, 8(sp)
  sd t2, 16(sp)
  sd t3, 24(sp)
  lla t3, hash
  ld t2, 0(t3)
  li t1, 0x19660d
  csrrs t0, sepc, zero
  mul t2, t2, t1
  add t2, t2, t0
  csrrs t0, scause, zero
  mul t2, t2, t1
  add t2, t2, t0
  csrrs t0, stval, zero
  mul t2, t2, t1
  add t2, t2, t0
  csrrs t0, instret, zero
  mul t2, t2, t1
  add t2, t2, t0
  csrrs t0, cycle, zero
  mul t2, t2, t1
  add t2, t2, t0
  sd t2, 0(t3)

  csrrs t0, scause, zero
  blt t0, zero, timer
  li t1, 8
  beq t0, t1, call
  # page fault: map the missing page
  ld t2, 8(t3)
  addi t2, t2, 1
  sd t2, 8(t3)
  lla t0, missing
  ld t0, 0(t0)
  lla t1, level0
  ld t1, 0(t1)
  sd t0, 40(t1)
  sfence.vma zero, zero
  jal zero, leave
call:
  ld t2, 16(t3)
  addi t2, t2, 1
  sd t2, 16(t3)
  csrrs t0, sepc, zero
  addi t0, t0, 4
  csrrw zero, sepc, t0
  lla t1, level0
  ld t1, 0(t1)
  sd zero, 40(t1)
  sfence.vma zero, zero
  jal zero, leave
timer:
  ld t2, 24(t3)
  addi t2, t2, 1
  sd t2, 24(t3)
  csrrs t0, time, zero
  andi t1, t2, 3
  add t0, t0, t1
  addi t0, t0, 2
  csrrw zero, stimecmp, t0
leave:
  ld t0, 0(sp)
  ld t1, 8(sp)
  ld t2, 16(sp)
  ld t3, 24(sp)
  csrrw sp, sscratch, sp
  sret

user:
  li s1, 0x404000
  li s3, 0x404ffc
  li s4, 0x405000
again:
  addi s0, s0, 1
  sd s0, 8(s1)
  sd s0, 0(s3)               # across pages; the second may be missing
  ld s5, 0(s3)
  add s6, s6, s5
  amoadd.d s7, s6, (s1)
  lr.w t0, (s4)
  addi t0, t0, 1
  sc.w t1, t0, (s4)
  mul s6, s6, s0
  andi t2, s0, 7
  bne t2, zero, again
  ecall
  jal zero, again

image:
missing:
  .dword 0
level0:
  .dword 0
hash:
  .dword 0
faults:
  .dword 0
calls:
  .dword 0
timers:
  .dword 0
frame:
  .dword 0
  .dword 0
  .dword 0
  .dword 0
`;
