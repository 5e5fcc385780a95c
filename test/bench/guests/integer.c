// Integer mix: a linked list that is sorted, reversed and searched, a matrix product with bit fields, a state machine over
// text, and a CRC over what they give.
#include "guest.h"

const struct program program = {.rounds = 13600, .expected = 0x32cec6353f2c8322};

enum { NODES = 128, SIZE = 16, TEXT = 1024 };

struct node {
  struct node *next;
  uint16_t key, value;
};
static struct node nodes[NODES];
static int16_t a[SIZE][SIZE], b[SIZE][SIZE];
static int32_t c[SIZE][SIZE];
static char text[TEXT + 1];
static uint64_t seed;

static NOINLINE uint16_t crc(uint16_t value, uint16_t state) {
  for (int bit = 0; bit < 16; bit++) {
    uint16_t carry = (value ^ state) & 1;
    state >>= 1;
    value >>= 1;
    if (carry) state ^= 0xa001;
  }
  return state;
}

static NOINLINE struct node *reverse(struct node *list) {
  struct node *result = NULL;
  while (list) {
    struct node *rest = list->next;
    list->next = result;
    result = list;
    list = rest;
  }
  return result;
}

static NOINLINE struct node *find(struct node *list, uint16_t key) {
  while (list && list->key != key) list = list->next;
  return list;
}

typedef int (*compare)(const struct node *, const struct node *);
static NOINLINE int by_key(const struct node *x, const struct node *y) { return x->key - y->key; }
static NOINLINE int by_value(const struct node *x, const struct node *y) { return x->value - y->value; }

// Merge sort from the bottom up, with a comparison by pointer.
static NOINLINE struct node *sort(struct node *list, compare less) {
  for (int width = 1;; width *= 2) {
    struct node *rest = list, *tail = NULL;
    int merges = 0;
    list = NULL;
    while (rest) {
      struct node *left = rest, *right = rest;
      int left_size = 0, right_size = width;
      for (; left_size < width && right; left_size++) right = right->next;
      merges++;
      while (left_size > 0 || (right_size > 0 && right)) {
        struct node *taken;
        if (left_size > 0 && (right_size == 0 || !right || less(left, right) <= 0)) {
          taken = left;
          left = left->next;
          left_size--;
        } else {
          taken = right;
          right = right->next;
          right_size--;
        }
        if (tail) tail->next = taken;
        else list = taken;
        tail = taken;
      }
      rest = right;
    }
    tail->next = NULL;
    if (merges <= 1) return list;
  }
}

static NOINLINE uint16_t lists(uint16_t state) {
  for (int i = 0; i < NODES; i++) {
    nodes[i].key = (uint16_t)(i * 37 % NODES);
    nodes[i].value = (uint16_t)(next_random(&seed) & 0x7fff);
    nodes[i].next = i + 1 < NODES ? &nodes[i + 1] : NULL;
  }
  struct node *list = sort(nodes, by_value);
  for (uint16_t key = 0; key < 24; key++) {
    list = reverse(list);
    struct node *found = find(list, key * 5);
    if (found) state = crc(found->value, state);
  }
  list = sort(list, by_key);
  for (struct node *n = list; n; n = n->next) state = crc(n->value, state);
  return state;
}

static NOINLINE uint16_t matrices(uint16_t state) {
  for (int i = 0; i < SIZE; i++)
    for (int j = 0; j < SIZE; j++) {
      a[i][j] = (int16_t)next_random(&seed);
      b[i][j] = (int16_t)next_random(&seed);
    }
  for (int i = 0; i < SIZE; i++)
    for (int j = 0; j < SIZE; j++) {
      int32_t sum = 0;
      for (int k = 0; k < SIZE; k++) {
        int32_t product = a[i][k] * b[k][j];
        sum += (product >> 2 & 0xf) * (product >> 5 & 0x7f) + (product >> 12);
      }
      c[i][j] = sum;
    }
  for (int i = 0; i < SIZE; i++)
    for (int j = 0; j < SIZE; j += 3) state = crc((uint16_t)(c[i][j] ^ c[i][j] >> 16), state);
  return state;
}

enum state { START, SIGN, DIGITS, FRACTION, EXPONENT, SCALED, WORD, INVALID, STATES };

static NOINLINE enum state scan(const char **cursor, uint32_t *transitions) {
  enum state state = START;
  const char *at = *cursor;
  for (; *at && state != INVALID; at++) {
    char ch = *at;
    if (ch == ',') {
      at++;
      break;
    }
    int digit = ch >= '0' && ch <= '9';
    enum state before = state;
    switch (state) {
      case START: state = digit ? DIGITS : ch == '-' || ch == '+' ? SIGN : ch == '.' ? FRACTION : WORD; break;
      case SIGN: state = digit ? DIGITS : ch == '.' ? FRACTION : INVALID; break;
      case DIGITS: state = digit ? DIGITS : ch == '.' ? FRACTION : ch == 'e' ? EXPONENT : INVALID; break;
      case FRACTION: state = digit ? FRACTION : ch == 'e' ? EXPONENT : INVALID; break;
      case EXPONENT: state = digit || ch == '-' || ch == '+' ? SCALED : INVALID; break;
      case SCALED: state = digit ? SCALED : INVALID; break;
      case WORD: state = ch == ' ' ? INVALID : WORD; break;
      default: break;
    }
    if (state != before) transitions[before]++;
  }
  *cursor = at;
  return state;
}

static NOINLINE uint16_t states(uint16_t state) {
  static const char alphabet[] = "0123456789012345,,..e-+a9876543,";
  uint32_t transitions[STATES] = {0}, ends[STATES] = {0};
  for (int i = 0; i < TEXT; i++) text[i] = alphabet[next_random(&seed) >> 59];
  for (const char *at = text; *at;) ends[scan(&at, transitions)]++;
  for (int i = 0; i < STATES; i++) state = crc((uint16_t)(transitions[i] ^ ends[i] << 8), state);
  return state;
}

void prepare(void) {}

uint64_t run_round(void) {
  seed = 0x9e3779b97f4a7c15u;
  uint16_t state = 0xffff;
  uint64_t sum = HASH_START;
  for (int pass = 0; pass < 2; pass++) {
    sum = hash(sum, state = lists(state));
    sum = hash(sum, state = matrices(state));
    sum = hash(sum, state = states(state));
  }
  return sum;
}
