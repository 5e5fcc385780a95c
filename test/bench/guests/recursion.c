// Recursive calls: Fibonacci, Ackermann, Takeuchi, the towers of Hanoi, eight queens, and a binary tree that is built,
// walked, and turned over.
#include "guest.h"

const struct program program = {.rounds = 1600, .expected = 0x141392d93fb09aa2};

enum { QUEENS = 8, DEPTH = 10 };

static NOINLINE uint32_t fibonacci(uint32_t n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

static NOINLINE uint32_t ackermann(uint32_t m, uint32_t n) {
  if (m == 0) return n + 1;
  if (n == 0) return ackermann(m - 1, 1);
  return ackermann(m - 1, ackermann(m, n - 1));
}

static NOINLINE int takeuchi(int x, int y, int z) {
  if (y >= x) return z;
  return takeuchi(takeuchi(x - 1, y, z), takeuchi(y - 1, z, x), takeuchi(z - 1, x, y));
}

static uint64_t pegs[3], moves;

static NOINLINE void hanoi(int disks, int from, int to, int over) {
  if (disks == 0) return;
  hanoi(disks - 1, from, over, to);
  pegs[from] ^= 1u << disks;
  pegs[to] ^= 1u << disks;
  moves = hash(moves, pegs[to]);
  hanoi(disks - 1, over, to, from);
}

static uint8_t columns[QUEENS];

static NOINLINE int safe(int row, int column) {
  for (int i = 0; i < row; i++) {
    int apart = columns[i] - column;
    if (apart == 0 || apart == row - i || apart == i - row) return 0;
  }
  return 1;
}

static NOINLINE int queens(int row) {
  if (row == QUEENS) return 1;
  int found = 0;
  for (int column = 0; column < QUEENS; column++)
    if (safe(row, column)) {
      columns[row] = (uint8_t)column;
      found += queens(row + 1);
    }
  return found;
}

struct tree {
  struct tree *left, *right;
  uint64_t key;
};
static struct tree nodes[1 << DEPTH];
static int used;

static NOINLINE struct tree *build(int depth, uint64_t key) {
  if (depth == 0) return NULL;
  struct tree *tree = &nodes[used++];
  *tree = (struct tree){build(depth - 1, 2 * key), build(depth - 1, 2 * key + 1), key};
  return tree;
}

static NOINLINE void mirror(struct tree *tree) {
  if (!tree) return;
  struct tree *left = tree->left;
  tree->left = tree->right;
  tree->right = left;
  mirror(tree->left);
  mirror(tree->right);
}

static NOINLINE uint64_t walk(const struct tree *tree, uint64_t sum) {
  return tree ? walk(tree->right, hash(walk(tree->left, sum), tree->key)) : sum;
}

void prepare(void) {}

uint64_t run_round(void) {
  uint64_t sum = hash(HASH_START, fibonacci(22));
  sum = hash(sum, ackermann(2, 120));
  sum = hash(sum, (uint64_t)takeuchi(12, 6, 3));
  pegs[0] = 0x7ffe;
  pegs[1] = pegs[2] = 0;
  moves = HASH_START;
  hanoi(13, 0, 2, 1);
  sum = hash(sum, moves);
  sum = hash(sum, (uint64_t)queens(0));
  used = 0;
  struct tree *tree = build(DEPTH, 1);
  for (int i = 0; i < 8; i++) {
    mirror(tree);
    sum = walk(tree, sum);
  }
  return sum;
}
