/*
 * every_function MODEL: each function of leadline.h with null pointers, short and misaligned memory, empty structs.
 * There are statuses only, nothing is written through results, and a session still works afterwards. C99, linked by the
 * C compiler alone; check_embedding.sh sees to it that no function is left out.
 */
#include <leadline/leadline.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;
static void expect(int holds, const char* what, int line) {
  if (holds) return;
  fprintf(stderr, "every_function.c:%d: %s\n", line, what);
  ++failures;
}
#define EXPECT(condition) expect((condition) != 0, #condition, __LINE__)
#define INVALID LEADLINE_INVALID_ARGUMENT

static char blocks[1 << 20];
static char* aligned(size_t past) {
  return blocks + (LEADLINE_ALIGNMENT - (size_t)blocks % LEADLINE_ALIGNMENT) % LEADLINE_ALIGNMENT + past;
}

static int32_t never(void* context) { return context != NULL; }
static int64_t no_time(void* context) { return context != NULL; }

int main(int argc, char** argv) {
  char error[256];
  leadline_model* model = NULL;
  leadline_model_info model_info;
  leadline_node_info node_info;
  leadline_session_info session_info;
  leadline_node_plan node_plan;
  leadline_session* session = NULL;
  leadline_session_options options;
  leadline_picture picture;
  leadline_depth depth;
  leadline_calibration calibration;
  leadline_reading reading = {1.0f, 2.0f};
  leadline_stabiliser* stabiliser = NULL;
  leadline_thread_pool* pool = NULL;
  size_t bytes = 77;
  int64_t times[1];
  static const uint8_t rgb[3 * 8 * 6];
  static float values[1 << 12];
  void* memory;
  if (argc != 2) return 2;

  /* version, statuses, levels */
  EXPECT(leadline_version() == LEADLINE_VERSION);
  EXPECT(leadline_version_string() != NULL);
  EXPECT(leadline_model_format() >= 1);
  EXPECT(leadline_status_text((leadline_status)-7) != NULL);
  EXPECT(leadline_weight_type_name(-1) != NULL && leadline_weight_type_name(1 << 20) != NULL);
  EXPECT(leadline_isa_level(-1) == NULL && leadline_isa_level(1000) == NULL && leadline_isa_level(0) != NULL);
  EXPECT(leadline_set_isa("none of these", NULL, 0) == LEADLINE_UNSUPPORTED);
  EXPECT(leadline_set_isa(NULL, NULL, 0) == LEADLINE_OK);

  /* opening */
  EXPECT(leadline_model_open_memory(NULL, 0, NULL, NULL, NULL, 0) == INVALID);
  EXPECT(leadline_model_open_memory(NULL, 100, NULL, &model, error, sizeof error) == INVALID && error[0]);
  EXPECT(leadline_model_open_memory(aligned(1), 1000, NULL, &model, error, sizeof error) == INVALID);
  EXPECT(leadline_model_open_memory(aligned(0), 0, NULL, &model, error, 1) == LEADLINE_INVALID_MODEL && !error[0]);
  EXPECT(leadline_model_open_memory(aligned(0), 1000, NULL, &model, error, 0) == LEADLINE_INVALID_MODEL);
  EXPECT(leadline_model_open_file(NULL, NULL, &model, NULL, 0) == INVALID);
  EXPECT(leadline_model_open_file(argv[1], NULL, NULL, NULL, 0) == INVALID);
  EXPECT(leadline_model_open_file("", NULL, &model, NULL, 9) == LEADLINE_IO_ERROR);
  leadline_model_close(NULL);
  EXPECT(model == NULL);
  if (leadline_model_open_file(argv[1], NULL, &model, error, sizeof error) != LEADLINE_OK) {
    fprintf(stderr, "%s\n", error);
    return 1;
  }

  /* questions to a model */
  memset(&model_info, 0, sizeof model_info);
  EXPECT(leadline_model_get_info(NULL, &model_info) == INVALID);
  EXPECT(leadline_model_get_info(model, NULL) == INVALID);
  EXPECT(leadline_model_get_info(model, &model_info) == INVALID && !model_info.name); /* struct_size is 0 */
  EXPECT(leadline_model_provenance(NULL, "data") == NULL && leadline_model_provenance(model, NULL) == NULL);
  EXPECT(leadline_model_provenance_entry(NULL, 0) == NULL && leadline_model_provenance_entry(model, -1) == NULL);
  memset(&node_info, 0, sizeof node_info);
  EXPECT(leadline_model_get_node(NULL, 0, &node_info) == INVALID);
  EXPECT(leadline_model_get_node(model, 0, NULL) == INVALID);
  EXPECT(leadline_model_get_node(model, 0, &node_info) == INVALID);
  node_info.struct_size = sizeof node_info;
  EXPECT(leadline_model_get_node(model, -1, &node_info) == INVALID);
  EXPECT(leadline_model_get_node(model, 1 << 30, &node_info) == INVALID);

  /* sessions */
  memset(&options, 0, sizeof options);
  EXPECT(leadline_session_bytes(NULL, NULL, &bytes, NULL, 0) == INVALID);
  EXPECT(leadline_session_bytes(model, NULL, NULL, NULL, 0) == INVALID);
  EXPECT(leadline_session_bytes(model, &options, &bytes, error, sizeof error) == INVALID && error[0]);
  options.struct_size = sizeof options;
  options.algorithm = "";
  EXPECT(leadline_session_bytes(model, &options, &bytes, NULL, 0) == INVALID && bytes == 77);
  options.algorithm = NULL;
  options.max_picture_height = options.max_picture_width = 8;
  EXPECT(leadline_session_bytes(model, &options, &bytes, NULL, 0) == LEADLINE_OK && bytes != 77);
  EXPECT(leadline_session_create(NULL, &options, aligned(0), bytes, &session, NULL, 0) == INVALID);
  EXPECT(leadline_session_create(model, &options, NULL, bytes, &session, NULL, 0) == INVALID);
  EXPECT(leadline_session_create(model, &options, aligned(0), bytes, NULL, NULL, 0) == INVALID);
  EXPECT(leadline_session_create(model, &options, aligned(8), bytes, &session, NULL, 0) == INVALID);
  EXPECT(leadline_session_create(model, &options, aligned(0), bytes - 1, &session, NULL, 0) == LEADLINE_OUT_OF_MEMORY);
  EXPECT(leadline_session_create(model, &options, aligned(0), 0, &session, NULL, 0) == LEADLINE_OUT_OF_MEMORY);
  EXPECT(session == NULL);
  memory = malloc(bytes + LEADLINE_ALIGNMENT);
  if (!memory) return 1;
  EXPECT(leadline_session_create(model, &options,
                                 (char*)memory +
                                     (LEADLINE_ALIGNMENT - (size_t)memory % LEADLINE_ALIGNMENT) % LEADLINE_ALIGNMENT,
                                 bytes, &session, error, sizeof error) == LEADLINE_OK);
  if (!session) return 1;
  memset(&session_info, 0, sizeof session_info);
  EXPECT(leadline_session_get_info(NULL, &session_info) == INVALID);
  EXPECT(leadline_session_get_info(session, NULL) == INVALID);
  EXPECT(leadline_session_get_info(session, &session_info) == INVALID);
  memset(&node_plan, 0, sizeof node_plan);
  EXPECT(leadline_session_get_node(NULL, 0, &node_plan) == INVALID);
  EXPECT(leadline_session_get_node(session, 0, NULL) == INVALID);
  EXPECT(leadline_session_get_node(session, 0, &node_plan) == INVALID);

  /* runs */
  EXPECT(leadline_run_rgb8(NULL, rgb, 8, 6, 0, values, 1 << 12) == INVALID);
  EXPECT(leadline_run_rgb8(session, NULL, 8, 6, 0, values, 1 << 12) == INVALID);
  EXPECT(leadline_run_rgb8(session, rgb, 8, 6, 0, NULL, 1 << 12) == INVALID);
  EXPECT(leadline_run_rgb8(session, rgb, 8, 6, 1, values, 1 << 12) == INVALID);
  EXPECT(leadline_run_rgb8(session, rgb, 8, 6, 0, values, 0) == LEADLINE_OUT_OF_MEMORY);
  memset(&picture, 0, sizeof picture);
  memset(&depth, 0, sizeof depth);
  EXPECT(leadline_run(session, &picture, &depth) == INVALID);
  picture.struct_size = sizeof picture;
  depth.struct_size = sizeof depth;
  EXPECT(leadline_run(NULL, &picture, &depth) == INVALID);
  EXPECT(leadline_run(session, NULL, &depth) == INVALID);
  EXPECT(leadline_run(session, &picture, NULL) == INVALID);
  EXPECT(leadline_run(session, &picture, &depth) == INVALID); /* no size, no pixels */
  picture.width = 8;
  picture.height = 6;
  EXPECT(leadline_run(session, &picture, &depth) == INVALID);
  picture.planes[0] = rgb;
  EXPECT(leadline_run(session, &picture, &depth) == INVALID); /* nowhere to write to */
  depth.data = values;
  EXPECT(leadline_run(session, &picture, &depth) == LEADLINE_OUT_OF_MEMORY);
  depth.bytes = sizeof values;
  picture.format = LEADLINE_NV12; /* without its second plane */
  EXPECT(leadline_run(session, &picture, &depth) == INVALID);
  picture.format = 99;
  EXPECT(leadline_run(session, &picture, &depth) == LEADLINE_UNSUPPORTED);
  picture.format = LEADLINE_RGB8;
  picture.rotation = 45;
  EXPECT(leadline_run(session, &picture, &depth) == INVALID);
  picture.rotation = 0;
  EXPECT(leadline_run(session, &picture, &depth) == LEADLINE_OK);
  EXPECT(leadline_run_raw(NULL, values, 1, values, 1) == INVALID);
  EXPECT(leadline_run_raw(session, NULL, 1, values, 1) == INVALID);
  EXPECT(leadline_run_raw(session, values, 1, NULL, 1) == INVALID);
  EXPECT(leadline_run_raw(session, values, 1, values, 1) == INVALID);
  EXPECT(leadline_session_set_stop(NULL, never, NULL) == INVALID);
  EXPECT(leadline_session_set_stop(session, never, NULL) == LEADLINE_OK);
  EXPECT(leadline_session_set_clock(NULL, no_time, NULL, times, 1) == INVALID);
  EXPECT(leadline_session_set_clock(session, no_time, NULL, NULL, 1) == INVALID);
  EXPECT(leadline_session_set_clock(session, no_time, NULL, times, 0) == LEADLINE_OUT_OF_MEMORY);
  EXPECT(leadline_session_set_clock(session, NULL, NULL, NULL, 0) == LEADLINE_OK);
  EXPECT(leadline_self_test(NULL, NULL) == INVALID);

  /* metres and video */
  memset(&calibration, 0, sizeof calibration);
  EXPECT(leadline_calibrate_scale(NULL, 1, 0, &calibration) == INVALID);
  EXPECT(leadline_calibrate_scale(&reading, 1, 0, NULL) == INVALID);
  EXPECT(leadline_calibrate_scale(&reading, -1, 0, &calibration) == INVALID);
  EXPECT(leadline_calibrate_scale(&reading, 1, 0, &calibration) == INVALID); /* struct_size is 0 */
  EXPECT(leadline_session_set_calibration(NULL, NULL) == INVALID);
  EXPECT(leadline_session_set_calibration(session, &calibration) == INVALID);
  EXPECT(leadline_session_set_calibration(session, NULL) == LEADLINE_OK);
  EXPECT(leadline_stabiliser_bytes(0, 8) == 0 && leadline_stabiliser_bytes(8, -8) == 0);
  EXPECT(leadline_stabiliser_create(8, 6, NULL, 1 << 18, &stabiliser) == INVALID);
  EXPECT(leadline_stabiliser_create(8, 6, aligned(0), 1 << 18, NULL) == INVALID);
  EXPECT(leadline_stabiliser_create(8, 6, aligned(4), 1 << 18, &stabiliser) == INVALID);
  EXPECT(leadline_stabiliser_create(8, 6, aligned(0), 64, &stabiliser) == LEADLINE_OUT_OF_MEMORY);
  EXPECT(leadline_stabiliser_create(0, 6, aligned(0), 1 << 18, &stabiliser) != LEADLINE_OK);
  EXPECT(stabiliser == NULL);
  EXPECT(leadline_stabiliser_create(8, 6, aligned(0), 1 << 18, &stabiliser) == LEADLINE_OK);
  EXPECT(leadline_stabiliser_run(NULL, values, values, NULL) == INVALID);
  EXPECT(leadline_stabiliser_run(stabiliser, NULL, values, NULL) == INVALID);
  EXPECT(leadline_stabiliser_run(stabiliser, values, NULL, NULL) == INVALID);
  leadline_stabiliser_reset(NULL);
  leadline_stabiliser_reset(stabiliser);

  /* threads */
  EXPECT(leadline_thread_pool_bytes(0) == 0 && leadline_thread_pool_bytes(-1) == 0);
  EXPECT(leadline_thread_pool_create(2, NULL, 1 << 18, &pool) == INVALID);
  EXPECT(leadline_thread_pool_create(2, aligned(0), 1 << 18, NULL) == INVALID);
  EXPECT(leadline_thread_pool_create(2, aligned(4), 1 << 18, &pool) == INVALID);
  EXPECT(leadline_thread_pool_create(0, aligned(0), 1 << 18, &pool) == INVALID);
  EXPECT(leadline_thread_pool_create(2, aligned(0), 8, &pool) == LEADLINE_OUT_OF_MEMORY);
  EXPECT(pool == NULL);
  EXPECT(leadline_thread_pool_runner(NULL).run == NULL);
  leadline_thread_pool_destroy(NULL);

  /* after all that the session is as it was */
  EXPECT(leadline_self_test(session, NULL) == LEADLINE_OK);
  free(memory);
  leadline_model_close(model);
  if (failures) fprintf(stderr, "%d of the expectations don't hold\n", failures);
  return failures != 0;
}
