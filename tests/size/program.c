/*
 * program MODEL: what a device does with the library, and nothing else; the link map shows what that takes (size.sh).
 * Opens the model, runs its golden sample and one grey picture, and says what came of it.
 */
#include <leadline/leadline.h>

#include <stdio.h>
#include <stdlib.h>

static char bookkeeping[256 * 1024];
static size_t taken;
static void* take(void* context, size_t bytes, size_t alignment) {
  size_t start = taken + (alignment - (size_t)(bookkeeping + taken) % alignment) % alignment;
  (void)context;
  if (start > sizeof bookkeeping || bytes > sizeof bookkeeping - start) return NULL;
  taken = start + bytes;
  return bookkeeping + start;
}
static void give(void* context, void* block, size_t bytes) {
  (void)context;
  if ((char*)block + bytes == bookkeeping + taken) taken -= bytes;
}

static char* aligned(size_t bytes) {
  char* block = malloc(bytes + LEADLINE_ALIGNMENT);
  return block ? block + (LEADLINE_ALIGNMENT - (size_t)block % LEADLINE_ALIGNMENT) % LEADLINE_ALIGNMENT : NULL;
}

int main(int argc, char** argv) {
  static const uint8_t grey[8 * 6 * 3];
  const leadline_allocator allocator = {NULL, take, give};
  leadline_open_options open = {0};
  leadline_session_options options = {0};
  leadline_model* model = NULL;
  leadline_session* session = NULL;
  leadline_session_info info = {0};
  leadline_status status;
  char error[512] = "";
  char *file = NULL, *memory = NULL;
  float *depth = NULL, largest = 0;
  size_t bytes = 0, room;
  long length;
  FILE* stream = argc == 2 ? fopen(argv[1], "rb") : NULL;
  if (!stream || fseek(stream, 0, SEEK_END) != 0 || (length = ftell(stream)) < 0) return 2;
  rewind(stream);
  file = aligned((size_t)length);
  if (!file || fread(file, 1, (size_t)length, stream) != (size_t)length) return 2;
  fclose(stream);

  open.struct_size = sizeof open;
  open.allocator = &allocator;
  options.struct_size = sizeof options;
  options.max_picture_width = options.max_picture_height = 8;
  info.struct_size = sizeof info;
  status = leadline_model_open_memory(file, (size_t)length, &open, &model, error, sizeof error);
  if (status == LEADLINE_OK) status = leadline_session_bytes(model, &options, &bytes, error, sizeof error);
  if (status == LEADLINE_OK && !(memory = aligned(bytes))) return 2;
  if (status == LEADLINE_OK)
    status = leadline_session_create(model, &options, memory, bytes, &session, error, sizeof error);
  if (status == LEADLINE_OK) status = leadline_self_test(session, &largest);
  if (status == LEADLINE_OK) status = leadline_session_get_info(session, &info);
  if (status == LEADLINE_OK) {
    room = (size_t)info.output_height * (size_t)info.output_width * (size_t)info.output_channels;
    depth = malloc(room * sizeof *depth);
    if (!depth) return 2;
    status = leadline_run_rgb8(session, grey, 8, 6, 0, depth, room);
  }
  if (status != LEADLINE_OK) {
    fprintf(stderr, "%s: %s\n", leadline_status_text(status), error);
    return 1;
  }
  printf("%s, %lu bytes, largest difference %g\n", info.isa, (unsigned long)bytes, (double)largest);
  return 0;
}
