/*
 * The smallest useful program on libleadline.a: a picture (PPM) to depth in millimetres (16-bit PGM).
 *
 *   gcc depth.c -Iinclude -L. -lleadline -lm -o depth && ./depth model.lead picture.ppm depth.pgm
 */
#include <leadline/leadline.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char* what, const char* why) {
  fprintf(stderr, "depth: %s: %s\n", what, why);
  return 1;
}

int main(int argc, char** argv) {
  if (argc != 4) return fail("usage", "depth MODEL.lead PICTURE.ppm DEPTH.pgm");
  char error[512];

  /* The picture: binary PPM, 8 bits. */
  int width = 0, height = 0, most = 0;
  FILE* file = fopen(argv[2], "rb");
  if (!file) return fail(argv[2], "can't be opened");
  if (fscanf(file, "P6 %d %d %d", &width, &height, &most) != 3 || most != 255 || fgetc(file) == EOF || width < 1 ||
      height < 1 || width > 4096 || height > 4096)
    return fail(argv[2], "is no 8-bit PPM of up to 4096 pixels a side");
  const size_t pixels = (size_t)width * (size_t)height;
  unsigned char* rgb = malloc(3 * pixels);
  uint16_t* depth = malloc(2 * pixels);
  if (!rgb || !depth || fread(rgb, 3, pixels, file) != pixels)
    return fail(argv[2], "ends too early, or memory is short");
  fclose(file);

  /* The model; a session in memory of our own, asked for once. Nothing is allocated after that. */
  leadline_model* model;
  if (leadline_model_open_file(argv[1], NULL, &model, error, sizeof error) != LEADLINE_OK) return fail("model", error);
  size_t bytes;
  if (leadline_session_bytes(model, NULL, &bytes, error, sizeof error) != LEADLINE_OK) return fail(argv[1], error);
  char* block = malloc(bytes + LEADLINE_ALIGNMENT);
  if (!block) return fail(argv[1], "memory is short");
  char* memory = block + LEADLINE_ALIGNMENT - (uintptr_t)block % LEADLINE_ALIGNMENT;
  leadline_session* session;
  if (leadline_session_create(model, NULL, memory, bytes, &session, error, sizeof error) != LEADLINE_OK)
    return fail(argv[1], error);

  /* One run. A camera's NV12 or YUYV frame goes in just so: see leadline_pixel_format. */
  const leadline_picture picture = {.struct_size = sizeof picture, .format = LEADLINE_RGB8, .width = width,
                                    .height = height, .planes = {rgb}};
  const leadline_depth to = {.struct_size = sizeof to, .format = LEADLINE_DEPTH_MILLIMETRES_U16, .picture_size = 1,
                             .data = depth, .bytes = 2 * pixels};
  const leadline_status status = leadline_run(session, &picture, &to);
  if (status != LEADLINE_OK) return fail(argv[1], leadline_status_text(status));

  /* PGM's 16 bits are big-endian. */
  for (size_t i = 0; i < pixels; ++i) {
    const unsigned char big[2] = {(unsigned char)(depth[i] >> 8), (unsigned char)depth[i]};
    memcpy(&depth[i], big, 2);
  }
  file = fopen(argv[3], "wb");
  if (!file || fprintf(file, "P5 %d %d 65535\n", width, height) < 0 || fwrite(depth, 2, pixels, file) != pixels ||
      fclose(file) != 0)
    return fail(argv[3], "can't be written");
  leadline_model_close(model);
  free(block);
  free(depth);
  free(rgb);
  return 0;
}
