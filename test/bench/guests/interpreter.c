// A stack machine's interpreter, twice: dispatch by one switch, and by an indirect jump at the end of each instruction. The
// programs it runs are a sieve, Collatz chains, and a recursive function; both ways give the same results.
#include "guest.h"

const struct program program = {.rounds = 640, .expected = 0xa9c13b34c25a9c63};

enum {
  PUSH, POP, DUP, SWAP, LOAD, STORE, FETCH, PUT, ADD, SUB, MUL, SHIFT, AND, LESS, EQUAL, JUMP, ZERO, CALL, RETURN, HALT
};

enum { STACK = 256, CELLS = 4096, SIEVE = 3000, CHAINS = 60, FIB = 14 };
static int64_t memory[CELLS], stack[STACK];
static const int32_t *frames[STACK];

// Variables are the first cells of memory; LOAD and STORE name one, FETCH and PUT take an address from the stack.
static const int32_t sieve[] = {
    /*  0 */ PUSH, 2, STORE, 0,
    /*  4 */ LOAD, 0, PUSH, SIEVE, LESS, ZERO, 68,
    /* 11 */ LOAD, 0, PUSH, 16, ADD, FETCH, ZERO, 21, JUMP, 59,
    /* 21 */ LOAD, 1, PUSH, 1, ADD, STORE, 1, LOAD, 0, LOAD, 0, ADD, STORE, 2,
    /* 35 */ LOAD, 2, PUSH, SIEVE, LESS, ZERO, 59,
    /* 42 */ PUSH, 1, LOAD, 2, PUSH, 16, ADD, PUT, LOAD, 2, LOAD, 0, ADD, STORE, 2, JUMP, 35,
    /* 59 */ LOAD, 0, PUSH, 1, ADD, STORE, 0, JUMP, 4,
    /* 68 */ LOAD, 1, HALT};

static const int32_t collatz[] = {
    /*  0 */ PUSH, 1, STORE, 0,
    /*  4 */ LOAD, 0, PUSH, CHAINS, LESS, ZERO, 55,
    /* 11 */ LOAD, 0,
    /* 13 */ DUP, PUSH, 1, EQUAL, ZERO, 29,
    /* 19 */ POP, LOAD, 0, PUSH, 1, ADD, STORE, 0, JUMP, 4,
    /* 29 */ LOAD, 1, PUSH, 1, ADD, STORE, 1, DUP, PUSH, 1, AND, ZERO, 50,
    /* 42 */ PUSH, 3, MUL, PUSH, 1, ADD, JUMP, 13,
    /* 50 */ PUSH, -1, SHIFT, JUMP, 13,
    /* 55 */ LOAD, 1, HALT};

static const int32_t fibonacci[] = {
    /*  0 */ PUSH, FIB, CALL, 5, HALT,
    /*  5 */ DUP, PUSH, 2, LESS, ZERO, 12, RETURN,
    /* 12 */ DUP, PUSH, 1, SUB, CALL, 5, SWAP, PUSH, 2, SUB, CALL, 5, ADD, RETURN};

static inline int64_t shifted(int64_t value, int64_t by) { return by < 0 ? value >> -by : value << by; }

static NOINLINE int64_t by_switch(const int32_t *code) {
  const int32_t *pc = code, **frame = frames;
  int64_t *sp = stack, a;
  for (;;) {
    switch (*pc++) {
      case PUSH: *sp++ = *pc++; break;
      case POP: sp--; break;
      case DUP: sp[0] = sp[-1]; sp++; break;
      case SWAP: a = sp[-1]; sp[-1] = sp[-2]; sp[-2] = a; break;
      case LOAD: *sp++ = memory[*pc++]; break;
      case STORE: memory[*pc++] = *--sp; break;
      case FETCH: sp[-1] = memory[sp[-1]]; break;
      case PUT: sp -= 2; memory[sp[1]] = sp[0]; break;
      case ADD: sp--; sp[-1] += sp[0]; break;
      case SUB: sp--; sp[-1] -= sp[0]; break;
      case MUL: sp--; sp[-1] *= sp[0]; break;
      case SHIFT: sp--; sp[-1] = shifted(sp[-1], sp[0]); break;
      case AND: sp--; sp[-1] &= sp[0]; break;
      case LESS: sp--; sp[-1] = sp[-1] < sp[0]; break;
      case EQUAL: sp--; sp[-1] = sp[-1] == sp[0]; break;
      case JUMP: pc = code + *pc; break;
      case ZERO: a = *pc++; if (*--sp == 0) pc = code + a; break;
      case CALL: *frame++ = pc + 1; pc = code + *pc; break;
      case RETURN: pc = *--frame; break;
      case HALT: return *--sp;
      default: return -1;
    }
  }
}

static NOINLINE int64_t by_jump(const int32_t *code) {
  static const void *const targets[] = {
      &&push, &&pop,   &&dup, &&swap, &&load,  &&store, &&fetch, &&put,  &&add,  &&sub,
      &&mul,  &&shift, &&and, &&less, &&equal, &&jump,  &&zero,  &&call, &&back, &&halt};
  const int32_t *pc = code, **frame = frames;
  int64_t *sp = stack, a;
#define NEXT goto *targets[*pc++]
  NEXT;
push: *sp++ = *pc++; NEXT;
pop: sp--; NEXT;
dup: sp[0] = sp[-1]; sp++; NEXT;
swap: a = sp[-1]; sp[-1] = sp[-2]; sp[-2] = a; NEXT;
load: *sp++ = memory[*pc++]; NEXT;
store: memory[*pc++] = *--sp; NEXT;
fetch: sp[-1] = memory[sp[-1]]; NEXT;
put: sp -= 2; memory[sp[1]] = sp[0]; NEXT;
add: sp--; sp[-1] += sp[0]; NEXT;
sub: sp--; sp[-1] -= sp[0]; NEXT;
mul: sp--; sp[-1] *= sp[0]; NEXT;
shift: sp--; sp[-1] = shifted(sp[-1], sp[0]); NEXT;
and: sp--; sp[-1] &= sp[0]; NEXT;
less: sp--; sp[-1] = sp[-1] < sp[0]; NEXT;
equal: sp--; sp[-1] = sp[-1] == sp[0]; NEXT;
jump: pc = code + *pc; NEXT;
zero: a = *pc++; if (*--sp == 0) pc = code + a; NEXT;
call: *frame++ = pc + 1; pc = code + *pc; NEXT;
back: pc = *--frame; NEXT;
halt: return *--sp;
}

static NOINLINE void clear(void) {
  for (int i = 0; i < CELLS; i++) memory[i] = 0;
}

void prepare(void) {}

uint64_t run_round(void) {
  static const int32_t *const programs[] = {sieve, collatz, fibonacci};
  static int64_t (*const dispatchers[])(const int32_t *) = {by_switch, by_jump};
  uint64_t sum = HASH_START;
  for (int i = 0; i < 2; i++)
    for (int k = 0; k < 3; k++) {
      clear();
      sum = hash(sum, (uint64_t)dispatchers[i](programs[k]));
    }
  return sum;
}
