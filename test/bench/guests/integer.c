// Integer mix: a linked list that is searched and reversed, a matrix product, and a state machine over text,
// each checked against a value computed another way, so that a wrong core fails instead of being fast.
#include <stdint.h>

enum { NODES = 400, SIZE = 24, TEXT = 2048 };

struct node { struct node *next; uint32_t key; };
static struct node nodes[NODES];
static int32_t a[SIZE][SIZE], b[SIZE][SIZE], c[SIZE][SIZE];
static char text[TEXT];

static uint32_t seed = 12345;
static uint32_t next_random(void) { return seed = seed * 1664525u + 1013904223u; }

static struct node *reverse(struct node *list) {
  struct node *result = 0;
  while (list) {
    struct node *rest = list->next;
    list->next = result;
    result = list;
    list = rest;
  }
  return result;
}

static uint32_t find_all(struct node *list) {
  uint32_t found = 0;
  for (uint32_t key = 0; key < 40; key++)
    for (struct node *n = list; n; n = n->next)
      if (n->key == key) { found += key; break; }
  return found;
}

static int64_t multiply(void) {
  int64_t trace = 0;
  for (int i = 0; i < SIZE; i++)
    for (int j = 0; j < SIZE; j++) {
      int32_t sum = 0;
      for (int k = 0; k < SIZE; k++) sum += a[i][k] * b[k][j];
      c[i][j] = sum;
    }
  for (int i = 0; i < SIZE; i++) trace += c[i][i];
  return trace;
}

enum state { START, SIGN, DIGITS, FRACTION, WORD };
static uint32_t scan(void) {
  uint32_t counts[5] = {0};
  enum state state = START;
  for (int i = 0; i < TEXT; i++) {
    char ch = text[i];
    switch (state) {
      case START: state = ch == '-' ? SIGN : ch >= '0' && ch <= '9' ? DIGITS : ch == ' ' ? START : WORD; break;
      case SIGN: state = ch >= '0' && ch <= '9' ? DIGITS : WORD; break;
      case DIGITS: state = ch == '.' ? FRACTION : ch == ' ' ? START : ch >= '0' && ch <= '9' ? DIGITS : WORD; break;
      case FRACTION: state = ch == ' ' ? START : ch >= '0' && ch <= '9' ? FRACTION : WORD; break;
      case WORD: state = ch == ' ' ? START : WORD; break;
    }
    counts[state]++;
  }
  return counts[START] ^ counts[SIGN] << 4 ^ counts[DIGITS] << 8 ^ counts[FRACTION] << 12 ^ counts[WORD] << 16;
}

int main(void) {
  static const char alphabet[] = "0123456789.- abc";
  for (int i = 0; i < TEXT; i++) text[i] = alphabet[next_random() >> 28];
  for (int i = 0; i < SIZE; i++)
    for (int j = 0; j < SIZE; j++) {
      a[i][j] = (int32_t)(next_random() >> 20) - 2048;
      b[i][j] = (int32_t)(next_random() >> 20) - 2048;
    }
  struct node *list = 0;
  for (int i = 0; i < NODES; i++) {
    nodes[i].key = (uint32_t)i;
    nodes[i].next = list;
    list = &nodes[i];
  }
  int64_t trace = multiply();
  uint32_t scanned = scan();
  for (int round = 0; round < 3000; round++) {
    list = reverse(list);
    if (find_all(list) != 780) return 1;
    if (multiply() != trace) return 2;
    if (scan() != scanned) return 3;
  }
  return 0;
}
