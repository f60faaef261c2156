/*
 * The library on a microcontroller: no operating system, no file system, no heap. The model lies in flash, everything
 * else in two arrays. Runs the model's golden sample and says what came of it through semihosting.
 *
 *   cmake --preset cortex-m7 && cmake --build build-cortex-m7
 *   qemu-system-arm -M mps2-an500 -nographic -semihosting -kernel build-cortex-m7/bin/leadline-self-test
 */
#include <leadline/leadline.h>

#include <stddef.h>
#include <stdint.h>

/* ---- what a system would do ---- */

extern uint32_t stack_top[], data_in_flash[], data_begin[], data_end[], __bss_start__[], __bss_end__[];
int main(void);

static void semihosting(uint32_t operation, const void* argument) {
  register uint32_t r0 __asm__("r0") = operation;
  register const void* r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}
static void say(const char* text) { semihosting(0x04, text); }

static void leave(int status) {
  const uint32_t how[2] = {0x20026, (uint32_t)status}; /* ADP_Stopped_ApplicationExit */
  semihosting(0x20, how);
  for (;;) {
  }
}

void reset(void) {
  *(volatile uint32_t*)0xE000ED88 |= 0xFu << 20; /* the floating-point unit on */
  __asm__ volatile("dsb\nisb");
  const uint32_t* from = data_in_flash;
  for (uint32_t* to = data_begin; to < data_end;) *to++ = *from++;
  for (uint32_t* to = __bss_start__; to < __bss_end__;) *to++ = 0;
  leave(main());
}

/* The library's default allocator, malloc, is linked though nobody calls it here: there is no heap. */
void* _sbrk(ptrdiff_t bytes) {
  (void)bytes;
  return (void*)-1;
}

static void fault(void) {
  say("fault\n");
  leave(2);
}

static const struct {
  uint32_t* stack;
  void (*handlers[15])(void);
} vectors __attribute__((section(".vectors"), used)) = {stack_top, {reset, fault, fault, fault, fault, fault}};

/* ---- the program ---- */

extern const uint8_t model_begin[], model_end[]; /* model.S */

static _Alignas(64) uint8_t bookkeeping[16 * 1024]; /* of the open model */
static _Alignas(64) uint8_t memory[LEADLINE_SELF_TEST_MEMORY];

static uint32_t taken;
static void* take(void* context, size_t bytes, size_t alignment) {
  (void)context;
  const uint32_t start = (taken + (uint32_t)alignment - 1) / (uint32_t)alignment * (uint32_t)alignment;
  if (bytes > sizeof bookkeeping - start) return 0;
  taken = start + (uint32_t)bytes;
  return bookkeeping + start;
}
static void give(void* context, void* block, size_t bytes) {
  (void)context;
  if ((uint8_t*)block + bytes == bookkeeping + taken) taken -= (uint32_t)bytes; /* the last one taken */
}

static void number(const char* before, uint32_t value, const char* after) {
  char digits[11];
  int i = 10;
  digits[i] = '\0';
  do digits[--i] = (char)('0' + value % 10);
  while ((value /= 10) != 0);
  say(before);
  say(digits + i);
  say(after);
}

int main(void) {
  static char error[256];
  const leadline_allocator allocator = {0, take, give};
  leadline_open_options open = {0};
  open.struct_size = sizeof open;
  open.allocator = &allocator;
  leadline_model* model = 0;
  leadline_status status =
      leadline_model_open_memory(model_begin, (size_t)(model_end - model_begin), &open, &model, error, sizeof error);
  leadline_session_options options = {0};
  options.struct_size = sizeof options;
  options.max_picture_width = options.max_picture_height = 64;
  size_t bytes = 0;
  if (status == LEADLINE_OK) status = leadline_session_bytes(model, &options, &bytes, error, sizeof error);
  leadline_session* session = 0;
  if (status == LEADLINE_OK) {
    number("session: ", (uint32_t)bytes, " bytes\n");
    status = leadline_session_create(model, &options, memory, sizeof memory, &session, error, sizeof error);
  }
  float largest = -1;
  if (status == LEADLINE_OK) status = leadline_self_test(session, &largest);
  if (status != LEADLINE_OK) {
    say("self-test: ");
    say(leadline_status_text(status));
    say("\n");
    say(error);
    return 1;
  }
  number("self-test passed; largest difference ", (uint32_t)(largest * 1e9f), "e-9\n");
  return 0;
}
