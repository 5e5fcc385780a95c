// What everyday code of the 1980s did, and much of today's still does: records that are copied and compared, short strings,
// calls with few instructions each, parameters by reference, enumerations, and arrays with computed indices.
#include "guest.h"

const struct program program = {.rounds = 44000, .expected = 0x4931fd90a165bc2a};

enum { ACCOUNTS = 24, NAME = 31, STEPS = 400, CELLS = 50 };

enum kind { DEPOSIT, WITHDRAWAL, TRANSFER, RENAMING, AUDIT, KINDS };

struct account {
  struct account *other;
  enum kind last;
  int32_t balance, moves;
  char name[NAME];
};

static struct account accounts[ACCOUNTS], spare;
static int32_t ledger[CELLS][CELLS], totals[CELLS];
static char title[NAME], shadow[NAME];
static uint64_t seed;
static int32_t alarms;

static NOINLINE void copy_name(char *to, const char *from) {
  while ((*to++ = *from++)) {
  }
}

static NOINLINE int compare_names(const char *a, const char *b) {
  while (*a && *a == *b) {
    a++;
    b++;
  }
  return (unsigned char)*a - (unsigned char)*b;
}

static NOINLINE int first_differs(char a, char b, char *which) {
  if (a == b) return 0;
  *which = a < b ? a : b;
  return 1;
}

// Numbers the name: "account of the bank no. 07".
static NOINLINE void number_name(char *name, int32_t number) {
  copy_name(name, "account of the bank no. 00");
  name[24] = (char)('0' + number / 10 % 10);
  name[25] = (char)('0' + number % 10);
}

static NOINLINE enum kind kind_of(int32_t step, int32_t balance) {
  if (balance < 0) return DEPOSIT;
  switch (step % 7) {
    case 0:
    case 3: return TRANSFER;
    case 1: return RENAMING;
    case 4: return AUDIT;
    case 5: return WITHDRAWAL;
    default: return DEPOSIT;
  }
}

static NOINLINE void add_to(int32_t a, int32_t b, int32_t *result) { *result = a + 2 + b; }

static NOINLINE void post(int32_t cells[CELLS][CELLS], int32_t sums[CELLS], int32_t at, int32_t value) {
  int32_t row = at + 5;
  sums[row] = value;
  sums[row + 1] = sums[row];
  sums[row + 30 < CELLS ? row + 30 : 0] = row;
  for (int32_t column = row; column <= row + 1; column++) cells[row][column] = row;
  cells[row][row - 1] += 1;
  cells[(row + 20) % CELLS][row] = sums[row];
}

static NOINLINE int32_t move(struct account *from, struct account *to, int32_t amount) {
  spare = *from;
  if (spare.balance < amount) {
    alarms++;
    return 0;
  }
  from->balance -= amount;
  to->balance += amount;
  from->moves++;
  to->last = TRANSFER;
  from->other = to;
  return amount;
}

static NOINLINE void audit(const struct account *account) {
  char which = 0;
  copy_name(shadow, account->name);
  if (compare_names(shadow, title) > 0) alarms += 2;
  if (first_differs(shadow[24], title[25], &which)) alarms += which & 3;
}

void prepare(void) {}

uint64_t run_round(void) {
  seed = 88172645463325252u;
  alarms = 0;
  copy_name(title, "account of the bank no. 12");
  for (int i = 0; i < CELLS; i++) {
    totals[i] = 0;
    for (int j = 0; j < CELLS; j++) ledger[i][j] = 0;
  }
  for (int i = 0; i < ACCOUNTS; i++) {
    accounts[i] = (struct account){&accounts[(i + 1) % ACCOUNTS], AUDIT, 100 * i, 0, {0}};
    number_name(accounts[i].name, i);
  }
  for (int32_t step = 0; step < STEPS; step++) {
    struct account *account = &accounts[(next_random(&seed) >> 32) % ACCOUNTS];
    int32_t sum = 0;
    add_to(step, account->moves, &sum);
    enum kind kind = kind_of(step, account->balance);
    switch (kind) {
      case DEPOSIT: account->balance += sum & 63; break;
      case WITHDRAWAL: account->balance -= sum & 127; break;
      case TRANSFER: sum = move(account, account->other, sum & 255); break;
      case RENAMING: number_name(account->name, sum % 100); break;
      default: audit(account); break;
    }
    account->last = kind;
    post(ledger, totals, step % 40, sum);
  }
  uint64_t result = hash(HASH_START, (uint64_t)alarms);
  for (int i = 0; i < ACCOUNTS; i++) {
    result = hash(result, (uint64_t)accounts[i].balance << 32 | (uint32_t)accounts[i].moves);
    result = hash(result, (uint64_t)(accounts[i].other - accounts) << 8 | accounts[i].last);
    result = hash(result, (uint64_t)(accounts[i].name[24] << 8 | accounts[i].name[25]));
  }
  for (int i = 0; i < CELLS; i++) result = hash(result, (uint32_t)(totals[i] ^ ledger[i][(i * 7) % CELLS]));
  return result;
}
