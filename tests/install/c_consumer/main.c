/* A program in plain C against the installed library: opens a model, checks it on this machine, estimates one picture.
 */
#include <leadline/leadline.h>

#include <stdio.h>
#include <stdlib.h>

static int fail(const char* step, leadline_status status, const char* detail) {
  fprintf(stderr, "%s: %s. %s\n", step, leadline_status_text(status), detail);
  return 1;
}

int main(int argc, char** argv) {
  enum { width = 64, height = 48 };
  static uint8_t rgb[3 * width * height];
  char error[512] = "";
  leadline_model* model = NULL;
  leadline_session* session = NULL;
  leadline_model_info info = {0};
  leadline_session_info sizes = {0};
  leadline_status status;
  size_t bytes = 0, values, i;
  void* memory;
  float *depth, largest_error = 0, nearest, farthest;

  if (argc != 2) {
    fprintf(stderr, "usage: %s MODEL\n", argv[0]);
    return 2;
  }
  info.struct_size = sizeof info;
  sizes.struct_size = sizeof sizes;
  if (leadline_version() != LEADLINE_VERSION) {
    fprintf(stderr, "header %d, library %d\n", LEADLINE_VERSION, (int)leadline_version());
    return 1;
  }
  if ((status = leadline_model_open_file(argv[1], NULL, &model, error, sizeof error)) != LEADLINE_OK)
    return fail("open", status, error);
  if ((status = leadline_model_get_info(model, &info)) != LEADLINE_OK) return fail("info", status, "");
  if ((status = leadline_session_bytes(model, NULL, &bytes, error, sizeof error)) != LEADLINE_OK)
    return fail("bytes", status, error);

  /* by hand, since C99 has no aligned_alloc */
  memory = malloc(bytes + LEADLINE_ALIGNMENT);
  if (!memory) return fail("memory", LEADLINE_OUT_OF_MEMORY, "");
  status = leadline_session_create(
      model, NULL, (void*)(((uintptr_t)memory + LEADLINE_ALIGNMENT - 1) / LEADLINE_ALIGNMENT * LEADLINE_ALIGNMENT),
      bytes, &session, error, sizeof error);
  if (status != LEADLINE_OK) return fail("session", status, error);
  if ((status = leadline_self_test(session, &largest_error)) != LEADLINE_OK) return fail("self test", status, "");
  if ((status = leadline_session_get_info(session, &sizes)) != LEADLINE_OK) return fail("sizes", status, "");

  for (i = 0; i < sizeof rgb; ++i) rgb[i] = (uint8_t)(i / (3 * width) * 5);
  values = (size_t)sizes.output_height * (size_t)sizes.output_width;
  depth = malloc(values * sizeof *depth);
  if (!depth) return fail("memory", LEADLINE_OUT_OF_MEMORY, "");
  if ((status = leadline_run_rgb8(session, rgb, width, height, 0, depth, values)) != LEADLINE_OK)
    return fail("run", status, "");

  nearest = farthest = depth[0];
  for (i = 0; i < values; ++i) {
    if (!(depth[i] >= info.min_depth && depth[i] <= info.max_depth)) { /* false for NaN too */
      fprintf(stderr, "depth %zu is %g m, outside the model's range %g to %g\n", i, depth[i], info.min_depth,
              info.max_depth);
      return 1;
    }
    nearest = depth[i] < nearest ? depth[i] : nearest;
    farthest = depth[i] > farthest ? depth[i] : farthest;
  }
  printf("Leadline %s, %s: %dx%d, depth %.3f to %.3f m, self test %g\n", leadline_version_string(), info.name,
         (int)sizes.output_width, (int)sizes.output_height, nearest, farthest, largest_error);
  free(depth);
  free(memory);
  leadline_model_close(model);
  return 0;
}
