/*
 * Leadline's inference library: a picture in, depth in metres out.
 *
 *     leadline_model* model;
 *     char error[256];
 *     if (leadline_model_open_file("model.lead", NULL, &model, error, sizeof error) != LEADLINE_OK) puts(error);
 *     size_t bytes;
 *     leadline_session_bytes(model, NULL, &bytes, error, sizeof error);
 *     leadline_session* session;
 *     leadline_session_create(model, NULL, aligned_alloc(64, bytes), bytes, &session, error, sizeof error);
 *     leadline_run_rgb8(session, rgb, 640, 480, 0, depth, depth_values);
 *
 * Link with `-lleadline -lm`; any C or C++ compiler will do. Rules that hold for every function:
 *
 * - Shapes are [N,H,W,C], channels innermost; depth is in metres, 32-bit float; sizes are in pixels.
 * - Functions that can fail return a leadline_status and write nothing through their result pointers unless they return
 *   LEADLINE_OK. `error`, where there is one, receives one paragraph (UTF-8, always ended by a zero byte, cut to
 *   `error_bytes`) that names field, value and fix; it is empty after success and may be NULL.
 * - Structs with a `struct_size` belong to programs that are older or newer than the library: set struct_size to
 *   sizeof the struct and all other fields to zero, which is every field's default. Later versions of the library add
 *   fields at the end; of a shorter struct, down to its size in version 1, only the fields that are there are read or
 *   filled.
 * - Memory: opening a model allocates through the given allocator (malloc and free if none is given); everything after
 *   leadline_session_create works in the memory that the caller gave and allocates nothing. That memory is aligned to
 *   LEADLINE_ALIGNMENT, stays the caller's, and isn't touched by anybody else while it is in use.
 * - Threads: a leadline_model never changes between open and close, so any number of threads may use it, each with
 *   sessions of its own. A session belongs to one thread at a time. There is no global state but leadline_set_isa's.
 * - The library starts no threads and never waits busily; a runner (leadline_thread_pool or the caller's own) is the
 *   only way to more than the calling thread. Results are the same bits for any number of threads.
 * - The caller's floating-point environment (rounding, flush to zero, sticky flags) is neither used nor changed.
 */
#ifndef LEADLINE_LEADLINE_H
#define LEADLINE_LEADLINE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- version and status ------------------------------------------------------------------------------------------ */

/* Of this header: major * 10000 + minor * 100 + patch. */
#define LEADLINE_VERSION 100
#define LEADLINE_VERSION_STRING "0.1.0"

/* Of the linked library. Thread-safe. The string is static. */
int32_t leadline_version(void);
const char* leadline_version_string(void);
/* The version of model files that this library reads. */
int32_t leadline_model_format(void);

/* Result of a call. Values never change; new ones are appended. */
typedef enum leadline_status {
  LEADLINE_OK = 0,
  LEADLINE_INVALID_ARGUMENT = 1,  /* a null pointer, a negative size, an option out of range */
  LEADLINE_INVALID_SHAPE = 2,     /* a size that the network can't take */
  LEADLINE_INVALID_MODEL = 3,     /* the model file breaks its own specification */
  LEADLINE_CHECKSUM_MISMATCH = 4, /* the model file was damaged */
  LEADLINE_VERSION_MISMATCH = 5,  /* the model file was written for another format version */
  LEADLINE_UNSUPPORTED = 6,       /* valid, but this library or this model can't do it */
  LEADLINE_OUT_OF_MEMORY = 7,     /* an allocation failed, or the memory given is smaller than asked for */
  LEADLINE_OVERFLOW = 8,          /* a size doesn't fit this machine's address space */
  LEADLINE_IO_ERROR = 9,          /* a file couldn't be opened or read */
  LEADLINE_SELF_TEST_FAILED = 10, /* the engine's answer differs from the one stored in the model */
  LEADLINE_CANCELLED = 11         /* the caller asked to stop */
} leadline_status;

/* One sentence for a status; static, never NULL, also for unknown numbers. Thread-safe. */
const char* leadline_status_text(leadline_status status);

/* ---- models ------------------------------------------------------------------------------------------------------ */

#define LEADLINE_ALIGNMENT 64

typedef struct leadline_model leadline_model;
typedef struct leadline_session leadline_session;

/* Where a model's bookkeeping lives. `alignment` is a power of two of at most 64. `alloc` returns NULL when there is no
 * more. Called only from the functions that say so. */
typedef struct leadline_allocator {
  void* context;
  void* (*alloc)(void* context, size_t bytes, size_t alignment);
  void (*free)(void* context, void* memory, size_t bytes);
} leadline_allocator;

typedef struct leadline_open_options {
  size_t struct_size;
  const leadline_allocator* allocator; /* copied; NULL: malloc and free */
  int32_t skip_checksums; /* 1: faster start from trusted storage; damaged weights go unnoticed, nothing else changes */
} leadline_open_options;

/* Opens a model that lies in memory, e.g. an array in flash, and checks all of it. `data` is aligned to
 * LEADLINE_ALIGNMENT, stays the caller's, is used in place and must neither change nor go before the model is closed;
 * bytes behind the model's end are ignored. `options` may be NULL. Allocates one block of at most 200 KiB. Thread-safe.
 * Errors: INVALID_ARGUMENT, INVALID_MODEL, INVALID_SHAPE, CHECKSUM_MISMATCH, VERSION_MISMATCH, UNSUPPORTED, OVERFLOW,
 * OUT_OF_MEMORY. */
leadline_status leadline_model_open_memory(const void* data, size_t bytes, const leadline_open_options* options,
                                           leadline_model** model, char* error, size_t error_bytes);

/* The same for a file: mapped where the system can (its pages are shared and read when needed; the file must not be
 * changed in place while the model is open), otherwise read into one more block of the allocator. Thread-safe.
 * Errors: as above, and IO_ERROR. */
leadline_status leadline_model_open_file(const char* path, const leadline_open_options* options, leadline_model** model,
                                         char* error, size_t error_bytes);

/* Gives everything back. No session of the model may be used afterwards. NULL is ignored. */
void leadline_model_close(leadline_model* model);

/* What an output's numbers mean. */
typedef enum leadline_output_kind {
  LEADLINE_METRIC_DEPTH = 0,   /* metres, within [min_depth, max_depth] */
  LEADLINE_RELATIVE_DEPTH = 1, /* larger is farther, up to an unknown scale and shift */
  LEADLINE_VALUES = 2          /* anything else, e.g. class scores */
} leadline_output_kind;

/* How weights are stored in the file. Layers that multiply floats get f16, bf16 and int8 weights as floats, rounded
 * once at export. */
typedef enum leadline_weight_type {
  LEADLINE_WEIGHTS_F32 = 0,
  LEADLINE_WEIGHTS_F16 = 1,
  LEADLINE_WEIGHTS_BF16 = 2,
  LEADLINE_WEIGHTS_INT8 = 3 /* one scale for each output channel */
} leadline_weight_type;

/* "f32", "f16", "bf16", "int8"; static, never NULL, also for unknown numbers. Thread-safe. */
const char* leadline_weight_type_name(leadline_weight_type type);

/* Filled by the library; strings belong to the model. */
typedef struct leadline_model_info {
  size_t struct_size;
  const char* name; /* of the network */
  /* input contract */
  int32_t input_height, input_width, input_channels; /* default size */
  int32_t size_multiple;  /* other sizes are multiples of it; 0: only the default size is possible */
  int32_t crops_centre;   /* 1: pictures are cut to the input's aspect ratio first; 0: stretched */
  float focal_x, focal_y; /* of the training pictures, in pixels of the input; 0: unknown. Metric depth holds for
                           * such cameras; with a focal length f it comes out at about focal_x / f of the truth */
  /* output contract */
  leadline_output_kind output_kind;
  int32_t output_height, output_width, output_channels; /* at the default size */
  float min_depth, max_depth;                           /* metres; 0 unless metric */
  /* cost, at the default size */
  int32_t nodes;                    /* layers in the graph */
  int32_t has_golden;               /* 1: leadline_self_test is possible */
  int64_t parameters;               /* numbers in the weights */
  int64_t macs;                     /* multiply-accumulates of one run; INT64_MAX if more */
  uint64_t file_bytes;              /* of the model file */
  uint64_t weight_bytes;            /* of these: its weights */
  leadline_weight_type weight_type; /* how most of its parameters are stored */
} leadline_model_info;

/* Thread-safe. Errors: INVALID_ARGUMENT. */
leadline_status leadline_model_get_info(const leadline_model* model, leadline_model_info* info);

/* Where the model comes from: the value of a key such as "data", "metric", "licence"; NULL if there is none. The string
 * belongs to the model. Thread-safe. */
const char* leadline_model_provenance(const leadline_model* model, const char* key);
/* The `index`-th entry as "key=value", sorted; NULL behind the last. Thread-safe. */
const char* leadline_model_provenance_entry(const leadline_model* model, int32_t index);

#define LEADLINE_MAX_NODE_INPUTS 8

/* One layer of the graph, at the default size. Filled by the library; strings belong to the model or are static. */
typedef struct leadline_node_info {
  size_t struct_size;
  const char* name;                        /* as in training, e.g. "down.0.conv" */
  const char* layer;                       /* e.g. "conv2d" */
  int32_t inputs;                          /* how many */
  int32_t input[LEADLINE_MAX_NODE_INPUTS]; /* the nodes that produce them; -1: the network's input */
  int32_t batch, height, width, channels;  /* of its output */
  int64_t parameters;
  int64_t macs;
  leadline_weight_type weight_type; /* of what it multiplies with; F32 for layers that have nothing such */
} leadline_node_info;

/* `index` counts from 0 in the order of execution. Thread-safe. Errors: INVALID_ARGUMENT. */
leadline_status leadline_model_get_node(const leadline_model* model, int32_t index, leadline_node_info* node);

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

/* How to use more threads than the caller's: `run` calls task(argument, i) once for every i in [0, tasks), from at most
 * `threads` threads at a time, and returns when all are done. At most one `run` at a time is asked of a context by one
 * session; sessions that share it may ask at once. */
typedef struct leadline_runner {
  void* context;
  int32_t threads; /* at least 1 */
  void (*run)(void* context, int64_t tasks, void (*task)(void* argument, int64_t index), void* argument);
} leadline_runner;

typedef enum leadline_precision { LEADLINE_PRECISION_F32 = 0, LEADLINE_PRECISION_BF16 = 1 } leadline_precision;

typedef struct leadline_session_options {
  size_t struct_size;
  int32_t height, width; /* of the network's input; 0, 0: the model's default */
  /* largest picture, as it is stored; 0: 4096. Each pixel of the longer side costs about 20 to 30 bytes of the
   * session's memory */
  int32_t max_picture_height, max_picture_width;
  const leadline_runner* runner; /* copied; NULL: the calling thread alone */
  /* Bytes that values, one thread's scratch and weights in the kernels' own form should keep to; 0: as fast as can be.
   * The fastest plan that fits is made, or the smallest where none does (1: the smallest in any case): the device's
   * word is leadline_session_bytes. Another limit can be another plan, hence other bits in the last places. */
  size_t memory_limit;
  /* LEADLINE_PRECISION_BF16: layers may multiply values rounded to bf16 (8 bits of mantissa) where that is faster on
   * this CPU; sums and values between layers stay float. Depth changes by about 0.5%. The matrix registers of CPUs that
   * have them are asked of the system only then. */
  int32_t precision;
  /* For comparisons: "portable", "host_gemm", "winograd4", "winograd6", "bf16" or "bf16x3" for every layer that can;
   * NULL: what the model says, which is usually that the library chooses, from shapes, CPU, precision and memory_limit.
   */
  const char* algorithm;
} leadline_session_options;

/* The memory that leadline_session_create needs for these options (NULL: all defaults). Uses the model's allocator for
 * the time of the call. Thread-safe where the allocator is.
 * Errors: INVALID_ARGUMENT, INVALID_SHAPE (a size that the network can't take), OVERFLOW, OUT_OF_MEMORY. */
leadline_status leadline_session_bytes(const leadline_model* model, const leadline_session_options* options,
                                       size_t* bytes, char* error, size_t error_bytes);

/* Plans a session in `memory` (aligned to LEADLINE_ALIGNMENT, at least leadline_session_bytes for the same options),
 * which stays the caller's: a session is destroyed by forgetting it. The model must stay open. Weights are brought into
 * the form that the chosen kernels read, with the runner's threads. Allocates nothing.
 * Thread-safe. Errors: as above. */
leadline_status leadline_session_create(const leadline_model* model, const leadline_session_options* options,
                                        void* memory, size_t bytes, leadline_session** session, char* error,
                                        size_t error_bytes);

/* Filled by the library. */
typedef struct leadline_session_info {
  size_t struct_size;
  int32_t input_height, input_width, input_channels;
  int32_t output_height, output_width, output_channels;
  int32_t threads;
  size_t bytes;          /* of the caller's memory that are used */
  size_t arena_bytes;    /* of these: for the values between layers, scratch and prepared weights */
  size_t prepared_bytes; /* of these: weights in the form that the chosen kernels read, also where that is plain floats
                          * and the file has fewer bits */
  const char* isa;       /* the CPU's level that the kernels were chosen for, e.g. "x86-64-v3"; static */
  /* What no placement of this plan's values, scratch and prepared weights could do without: the largest sum of one
   * layer. arena_bytes is never less; equal, the placement is proven optimal. */
  size_t least_bytes;
} leadline_session_info;

/* Thread-safe. Errors: INVALID_ARGUMENT. */
leadline_status leadline_session_get_info(const leadline_session* session, leadline_session_info* info);

/* What the plan chose for one layer. Filled by the library; strings are static. */
typedef struct leadline_node_plan {
  size_t struct_size;
  const char* algorithm;  /* "winograd4" and so on; "in place": nothing is left to do; "fused": a later layer does it */
  size_t workspace_bytes; /* scratch while it runs, of all threads */
  size_t prepared_bytes;  /* its weights in the kernel's own form, kept for the session's life */
  /* where its output lies: bytes from the arena's start, and of the buffer, which it may share with others (a slice of
   * a concat, work in place) or which may hold only the rows that are needed at a time */
  size_t arena_offset, arena_bytes;
  int32_t first_node, last_node; /* the buffer is in use from one to the other; last_node = nodes: until the end */
  size_t workspace_offset;
  size_t prepared_offset;
  int32_t first_of_strips, last_of_strips; /* the nodes that run strip by strip with it; itself, itself: none */
  int32_t strips;                          /* in how many strips of rows it runs; 1: all at once */
  int64_t bytes_moved; /* read and written by one run at the least: sources, weights, output; 0: nothing to do */
} leadline_node_plan;

/* `index` as for leadline_model_get_node; -1: the network's input, which no layer makes. The plan is for the session's
 * size, leadline_model_get_node's shapes are those of the default size. Thread-safe. Errors: INVALID_ARGUMENT. */
leadline_status leadline_session_get_node(const leadline_session* session, int32_t index, leadline_node_plan* plan);

/* One picture. `rgb` is `height` rows of `width` pixels of 3 bytes R, G, B, upright, any size up to the session's
 * largest; row y starts at rgb + y * row_stride (bytes; 0: 3 * width; only leadline_run takes negative ones). It is
 * cropped, resized and normalised as the model says. `depth` receives [output_height, output_width] floats (times
 * output_channels where the output isn't depth), row by row; `depth_values` is the room in it, in floats. For metric
 * models they are metres. Only the given memory is used. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY (depth_values too small), INVALID_SHAPE (picture too large),
 * UNSUPPORTED (the network's input isn't a picture), CANCELLED. */
leadline_status leadline_run_rgb8(leadline_session* session, const uint8_t* rgb, int32_t width, int32_t height,
                                  ptrdiff_t row_stride, float* depth, size_t depth_values);

/* How a picture's pixels are stored. */
typedef enum leadline_pixel_format {
  LEADLINE_RGB8 = 0,   /* 3 bytes a pixel: R, G, B */
  LEADLINE_BGR8 = 1,   /* 3 bytes: B, G, R */
  LEADLINE_RGBA8 = 2,  /* 4 bytes; the fourth is ignored */
  LEADLINE_BGRA8 = 3,  /* 4 bytes; the fourth is ignored */
  LEADLINE_GRAY8 = 4,  /* 1 byte: R = G = B */
  LEADLINE_NV12 = 5,   /* planes[0]: Y; planes[1]: U, V for each 2 x 2 pixels (odd sizes: the last alone) */
  LEADLINE_NV21 = 6,   /* the same with V, U */
  LEADLINE_YUYV = 7,   /* Y, U, Y, V for each two pixels */
  LEADLINE_RGB_F32 = 8 /* 3 floats, 0 to 1; rounded to 8 bits as a camera does, so that training saw the like */
} leadline_pixel_format;

typedef enum leadline_colour_matrix {
  LEADLINE_BT601 = 0,
  LEADLINE_BT709 = 1,
  LEADLINE_BT2020 = 2
} leadline_colour_matrix;

/* A picture in the caller's memory. It is read as stored, only while leadline_run runs. */
typedef struct leadline_picture {
  size_t struct_size;
  int32_t format;        /* leadline_pixel_format */
  int32_t width, height; /* as stored, in pixels */
  const void* planes[2]; /* where its first row begins; the second for NV12 and NV21 alone */
  ptrdiff_t strides[2];  /* bytes from one row to the next; 0: rows without gaps; negative: stored bottom to top */
  int32_t rotation;      /* 0, 90, 180 or 270: degrees clockwise that turn it upright */
  int32_t colour_matrix; /* leadline_colour_matrix of Y, U, V */
  int32_t full_range;    /* Y, U, V use 0 to 255; 0: 16 to 235 (240) */
  /* Horizontal focal length of the upright picture in its pixels, where it is known: metric depth, which holds for the
   * cameras of the training pictures (leadline_model_info: focal_x), is multiplied by the ratio. 0: not known; depth is
   * that of a training camera, whose horizontal angle of view is 2 atan(input_width / (2 focal_x)). */
  float focal_x;
} leadline_picture;

/* What becomes of the network's depth. */
typedef enum leadline_depth_format {
  LEADLINE_DEPTH_F32 = 0,             /* float: metres, or the model's own unit where it isn't metric; 0: none */
  LEADLINE_DEPTH_MILLIMETRES_U16 = 1, /* metric models: rounded; 0: none, also for what is beyond 65.535 m */
  LEADLINE_DEPTH_INVERSE_F32 = 2      /* metric models: 1 / metres; 0: none */
} leadline_depth_format;

/* Where depth goes. */
typedef struct leadline_depth {
  size_t struct_size;
  int32_t format;       /* leadline_depth_format */
  int32_t picture_size; /* 1: as large as the upright picture, linearly enlarged, 0 outside what the network saw;
                         * 0: output_height x output_width of the session */
  void* data;           /* rows from top to bottom, aligned for its type */
  ptrdiff_t row_stride; /* bytes; 0: rows without gaps */
  size_t bytes;         /* room behind `data` */
} leadline_depth;

/* One picture of any of these forms to depth of any of those. Colour becomes 8-bit R, G, B by integer arithmetic, the
 * same on every machine, then goes the way of leadline_run_rgb8. Uses the given memory only. Errors: INVALID_ARGUMENT
 * (a null pointer, a stride too small, a rotation that isn't one, floats that aren't aligned), INVALID_SHAPE (a side
 * beyond 16384 or the session's largest picture), OUT_OF_MEMORY (`bytes` too small), UNSUPPORTED (a format that this
 * library or this model doesn't know: millimetres of relative depth, pictures for a network that takes none, several
 * output channels), CANCELLED. */
leadline_status leadline_run(leadline_session* session, const leadline_picture* picture, const leadline_depth* depth);

/* Asks `stop(context)` before each layer of every run from now on: anything but 0 ends the run with LEADLINE_CANCELLED,
 * nothing is written, and the session can be used again. For deadlines and cancel buttons. NULL: no longer.
 * Errors: INVALID_ARGUMENT. */
leadline_status leadline_session_set_stop(leadline_session* session, int32_t (*stop)(void* context), void* context);

/* Adds what each layer took to node_time[i], in ticks of the caller's clock, in every run from now on; i as for
 * leadline_model_get_node. `nodes` is the room in node_time, at least leadline_model_info's nodes; it stays the
 * caller's. `clock` NULL: no longer. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY (`nodes` too small). */
leadline_status leadline_session_set_clock(leadline_session* session, int64_t (*clock)(void* context), void* context,
                                           int64_t* node_time, int32_t nodes);

/* The network alone: `input` is dense [1,H,W,C] of the session's input size, already normalised; `output` receives
 * dense [1,H,W,C] of its output size. `input_values` and `output_values` are their sizes in floats; the first must be
 * exact. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY (output_values too small), CANCELLED. */
leadline_status leadline_run_raw(leadline_session* session, const float* input, size_t input_values, float* output,
                                 size_t output_values);

/* Runs the model's golden sample and compares: proves on the device itself that library, compiler, CPU and model fit
 * together. The session must have the default size. `largest_error` (may be NULL) receives the largest difference
 * relative to the largest sample, also when the test fails. Errors: INVALID_ARGUMENT, UNSUPPORTED (no golden sample, or
 * another size), SELF_TEST_FAILED, CANCELLED. */
leadline_status leadline_self_test(leadline_session* session, float* largest_error);

/* ---- metres ------------------------------------------------------------------------------------------------------ */

/* One place in a picture whose distance is known: by a tape, a laser, a LiDAR's sparse points. */
typedef struct leadline_reading {
  float predicted; /* what the network says there */
  float metres;    /* what it is, along the optical axis */
} leadline_reading;

/* metres = scale * predicted + shift. Filled by the library. */
typedef struct leadline_calibration {
  size_t struct_size;
  float scale, shift;
  int32_t used, outliers; /* readings that agree with it, and that don't */
  float rms_metres;       /* of those that agree */
} leadline_calibration;

/* The scale (with_shift 0: at least one reading) or scale and shift (1: at least two, at different distances) that most
 * readings agree with; up to half of them may be wrong. Readings that aren't positive and finite are left out; beyond
 * 128 they are thinned out evenly. A metric model is best calibrated without a shift. Thread-safe; allocates nothing.
 * Errors: INVALID_ARGUMENT (too few usable readings), UNSUPPORTED (they contradict each other: what the network says is
 * nearer, they say is farther, or all are at one distance). */
leadline_status leadline_calibrate_scale(const leadline_reading* readings, int32_t count, int32_t with_shift,
                                         leadline_calibration* calibration);

/* From now on leadline_run answers scale * depth + shift (0 where that isn't positive), for relative models too, which
 * are metric then. NULL: no longer. Errors: INVALID_ARGUMENT (no positive, finite scale). */
leadline_status leadline_session_set_calibration(leadline_session* session, const leadline_calibration* calibration);

/* ---- video ------------------------------------------------------------------------------------------------------- */

/* Steady depth from a video's frames, one after the other: a scale and shift that jumps from frame to frame is held,
 * noise is smoothed, what moves and what is new shows at once, and a change of scene starts anew. Long-term means are
 * those of the network: metres don't drift. One stabiliser for one camera; one thread at a time. */
typedef struct leadline_stabiliser leadline_stabiliser;

/* Bytes that a stabiliser for maps of this size needs; 0 for sizes out of range. Thread-safe. */
size_t leadline_stabiliser_bytes(int32_t width, int32_t height);

/* `memory` is aligned to LEADLINE_ALIGNMENT and stays the caller's; a stabiliser is destroyed by forgetting it.
 * Errors: INVALID_ARGUMENT, INVALID_SHAPE, OUT_OF_MEMORY (`bytes` too small). */
leadline_status leadline_stabiliser_create(int32_t width, int32_t height, void* memory, size_t bytes,
                                           leadline_stabiliser** stabiliser);

/* The next frame: [height, width] floats, 0 (negative, NaN) = none; `steady` may be `depth`. `scene_changed` (may be
 * NULL) becomes 1 where the frame doesn't follow from the one before. Errors: INVALID_ARGUMENT. */
leadline_status leadline_stabiliser_run(leadline_stabiliser* stabiliser, const float* depth, float* steady,
                                        int32_t* scene_changed);

/* Forgets the past: the next frame is the first. NULL is ignored. */
void leadline_stabiliser_reset(leadline_stabiliser* stabiliser);

/* ---- the CPU's level --------------------------------------------------------------------------------------------- */

/* Names of the levels that this build of the library and this CPU have, best first, e.g. "x86-64-v4+bf16", "x86-64-v4",
 * "x86-64-v3", "x86-64"; NULL behind the last. Static. Thread-safe. */
const char* leadline_isa_level(int32_t index);

/* Kernels are chosen for the best level unless one is asked for by name here; NULL: the best again. For comparing
 * results between machines, and for tests. Holds for the whole program: call it before the first session is made, for
 * sessions that were made for another level are refused from then on (INVALID_ARGUMENT), and none may be running.
 * Errors: UNSUPPORTED (this CPU or this build doesn't have it; nothing changes). */
leadline_status leadline_set_isa(const char* isa, char* error, size_t error_bytes);

/* ---- threads (an archive member of its own: programs that don't call these link no threads) ---------------------- */

typedef struct leadline_thread_pool leadline_thread_pool;

/* Bytes of memory that a pool of `threads` (1 to 64, the caller's included) needs; 0 for other counts. Thread-safe. */
size_t leadline_thread_pool_bytes(int32_t threads);

/* Starts threads - 1 threads that sleep until there is work. `memory` is aligned to LEADLINE_ALIGNMENT, stays the
 * caller's and outlives the pool. POSIX systems only. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY, UNSUPPORTED (the system
 * gives no more threads; nothing is left running). */
leadline_status leadline_thread_pool_create(int32_t threads, void* memory, size_t bytes, leadline_thread_pool** pool);

/* For leadline_session_options; of NULL a runner that no session takes. Several sessions may share a pool; their runs
 * wait for each other. */
leadline_runner leadline_thread_pool_runner(leadline_thread_pool* pool);

/* Stops and joins the threads; no session that uses the pool may be running. NULL is ignored. */
void leadline_thread_pool_destroy(leadline_thread_pool* pool);

#ifdef __cplusplus
}
#endif

#endif
