/* sln: amodal instance segmentation with the Semantics Layering Network (SLN). This header is the manual of the C API.
 *
 * From one photo the engine finds every object, its whole (amodal) shape with what is hidden, its visible part, and who
 * is in front of whom.
 *
 *   #include <sln.h>
 *   sln_model* model = NULL; sln_options* options = NULL; sln_engine* engine = NULL; sln_result* result = NULL;
 *   if (sln_model_open("r50.safetensors", &model) || sln_options_create(&options) ||
 *       sln_options_set_int(options, "threads", 2) || sln_engine_create(model, options, &engine) ||
 *       sln_result_create(&result) || sln_engine_run(engine, pixels, width, height, 3 * (ptrdiff_t)width, result))
 *     fprintf(stderr, "%s\n", sln_last_error());
 *   else
 *     for (int32_t i = 0; i < sln_result_object_count(result); ++i) {
 *       sln_object object = {0};
 *       object.struct_size = sizeof object;
 *       sln_result_get_object(result, i, &object);
 *       printf("score %.3f amodal area %lld\n", object.score, (long long)object.amodal_area);
 *     }
 *   sln_result_destroy(result); sln_engine_destroy(engine); sln_options_destroy(options); sln_model_destroy(model);
 *
 * Threads: a model is immutable and may be used by many threads. An engine and a result belong to one thread at a time;
 * use one engine per thread. The engine's own worker threads exist only while it does. A call needs up to 300 KB of its
 * thread's stack.
 * Lifetimes: every *_destroy accepts NULL. An engine keeps what it needs of its model, so the model may go first. A
 * result is independent of engine and model. Errors: functions return SLN_OK (0) or a status; sln_last_error() then
 * gives one line of text for this thread. No function prints, aborts or exits. Outputs are untouched on failure, unless
 * said otherwise. Structs that the library fills begin with struct_size, which the caller sets to sizeof; later
 * versions append fields only. Coordinates are continuous: pixel i covers [i, i+1). Image origin is the top left
 * corner. */
#ifndef SLN_H
#define SLN_H

#include <stddef.h>
#include <stdint.h>

#if defined(SLN_BUILDING_LIBRARY)
#define SLN_API __attribute__((visibility("default")))
#else
#define SLN_API
#endif

#define SLN_VERSION_MAJOR 0
#define SLN_VERSION_MINOR 1
#define SLN_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sln_status {
  SLN_OK = 0,
  SLN_ERROR_INVALID_ARGUMENT = 1, /* null pointer, bad size, unknown option or name */
  SLN_ERROR_IO = 2,               /* a file cannot be read or written */
  SLN_ERROR_FORMAT = 3,           /* a file is not what it should be */
  SLN_ERROR_UNSUPPORTED = 4,      /* valid, but not for this build or machine */
  SLN_ERROR_OUT_OF_MEMORY = 5,
  SLN_ERROR_INTERNAL = 6
} sln_status;

typedef struct sln_model sln_model;     /* a validated weight blob */
typedef struct sln_options sln_options; /* how an engine shall work */
typedef struct sln_engine sln_engine;   /* a model made ready on a device */
typedef struct sln_result sln_result;   /* what one run found */

/* "0.1.0", of the library at run time. */
SLN_API const char* sln_version(void);
/* Text of this thread's last failed call, "" if there was none; valid until the next call of this thread. */
SLN_API const char* sln_last_error(void);

/* ---- Models ---- */

/* Opens and validates a weight blob (.safetensors, written by `sln import`). The model keeps the file open, not its
 * weights: they are read and checked anew when an engine is created that has to pack them. Renaming another file over
 * this one does not matter; where its weights have changed when they are read, sln_engine_create() fails. */
SLN_API sln_status sln_model_open(const char* path, sln_model** model);
SLN_API void sln_model_destroy(sln_model* model);
/* Value of a metadata key of the blob ("config", "weights", "source_sha256", ...), NULL if absent. Owned by the model.
 */
SLN_API const char* sln_model_metadata(const sln_model* model, const char* key);

typedef struct sln_model_info {
  size_t struct_size;
  int32_t side;        /* S, side of the canvas, pixels */
  int32_t levels;      /* K, visibility levels */
  int32_t roi_side;    /* P, cells */
  int32_t max_rois;    /* N */
  int32_t layer_count; /* weight-bearing layers */
  int64_t parameters;  /* floats in the blob */
  int64_t macs;        /* multiply-accumulates of one image with all max_rois RoIs, as executed */
  int64_t file_bytes;  /* size of the blob */
} sln_model_info;
SLN_API sln_status sln_model_get_info(const sln_model* model, sln_model_info* info);

typedef struct sln_layer_info {
  size_t struct_size;
  const char* name;  /* owned by the model */
  const char* stage; /* owned by the model */
  int32_t in_channels, out_channels, kernel, stride;
  int32_t pad; /* zeros before the map */
  int32_t dilation;
  int32_t out_side;       /* pixels */
  int32_t relu;           /* activation: 0 none, 1 ReLU, 6 ReLU6 */
  int32_t residual;       /* 0 or 1 */
  int32_t per_roi;        /* 0 or 1 */
  int64_t parameters;     /* floats */
  int64_t macs;           /* for one image, all RoIs */
  uint32_t weight_crc32c; /* of the weight tensor's bytes */
  int32_t groups;         /* 1, or the channels where the layer is depthwise */
  int32_t pad_after;      /* zeros after the map */
} sln_layer_info;
/* index in [0, layer_count). */
SLN_API sln_status sln_model_get_layer(const sln_model* model, int32_t index, sln_layer_info* info);

/* ---- Engines ---- */

SLN_API sln_status sln_options_create(sln_options** options);
SLN_API void sln_options_destroy(sln_options* options);
/* "threads"  [1, 256], default: the machine's cores
 * "capture"  0 or 1, default 0: keep a copy of every named stage tensor of the image last collected
 *            (sln_engine_get_tensor); one image at a time
 * "level_masks"  0 or 1, default 0: results also hold the masks of every visibility level (sln_result_get_level_rle)
 * "refine"   0 or 1, default 1; 0: decode the planes as they are before the refinement, which is then not run */
SLN_API sln_status sln_options_set_int(sln_options* options, const char* name, int64_t value);
/* "score_threshold"  [0, 1], default 0.5: boxes whose objectness is below it end after the RPN
 * "mask_nms"         [0, 1], default 0.6: mask IoU above which the weaker object is dropped; 1 turns it off
 * "visible_overlap"  [0, 1], default 1: an object that mask_nms left is dropped if more than this share of its visible
 *                    canvas pixels is visible in kept objects of higher scores, together; 1 turns it off. An object
 *                    without visible pixels stays. Networks of one level (arcnn) have all of an object visible.
 * "mask_threshold"   [0.001, 0.998], default 0.5: c, confidence above which a pixel belongs to an object */
SLN_API sln_status sln_options_set_float(sln_options* options, const char* name, double value);
/* "device"      "auto", "cpu", or "cuda" in a library built with it; default "auto", which is the CPU
 * "score_mode"  "mask" (default: objectness times mean confidence of the mask) or "objectness" (as in the paper) */
SLN_API sln_status sln_options_set_string(sln_options* options, const char* name, const char* value);

/* options may be NULL. Reads and packs the weights, unless another engine of this model holds them for the same device,
 * and plans the memory. Later only decoding and the result grow, with an image larger than all before, and captures. */
SLN_API sln_status sln_engine_create(const sln_model* model, const sln_options* options, sln_engine** engine);
SLN_API void sln_engine_destroy(sln_engine* engine);

/* Runs one image: RGB interleaved, 8 bits, width x height pixels (each in [1, 65535]), row_bytes from row to row
 * (>= 3 * width). The result is filled anew; its memory is reused. On failure the result is empty. */
SLN_API sln_status sln_engine_run(sln_engine* engine, const uint8_t* pixels, int32_t width, int32_t height,
                                  ptrdiff_t row_bytes, sln_result* result);
/* The same in two steps, so that a device works while the caller prepares the next image. submit sends an image on its
 * way; its pixels are free when it returns. collect waits for the one that was submitted first of those under way, and
 * fills the result as sln_engine_run does: first in, first out. As many images may be under way as sln_engine_info says
 * (flights; one with the option "capture"): beyond it submit is SLN_ERROR_INVALID_ARGUMENT, as are collect with none
 * under way and run with one. What goes wrong with an image after submit is told by the collect that would have brought
 * it, which then is done with it. Destroying an engine drops what is under way. */
SLN_API sln_status sln_engine_submit(sln_engine* engine, const uint8_t* pixels, int32_t width, int32_t height,
                                     ptrdiff_t row_bytes);
SLN_API sln_status sln_engine_collect(sln_engine* engine, sln_result* result);
/* Runs on a prepared canvas, float32 [3,S,S] planes, normalised, all of it image (width = height = S). */
SLN_API sln_status sln_engine_run_canvas(sln_engine* engine, const float* canvas, sln_result* result);

typedef struct sln_engine_info {
  size_t struct_size;
  const char* device; /* "cpu", "cuda" */
  const char* isa;    /* "avx512", "avx2", "sse4"; of a GPU its architecture */
  int32_t threads;
  int32_t stage_count;
  int64_t arena_bytes;  /* activations */
  int64_t weight_bytes; /* packed weights and anchors, shared by the engines of a model */
  int32_t flights;      /* images that may be under way */
} sln_engine_info;
SLN_API sln_status sln_engine_get_info(const sln_engine* engine, sln_engine_info* info);

typedef struct sln_stage_info {
  size_t struct_size;
  const char* name; /* preprocess, encoder, glm, rpn, proposals, roi_align, ilm, refine, decode; the networks arcnn and
                       arcnn-visible have mask instead of ilm and refine, and no glm; static */
  double seconds;   /* of the image last collected, in the device's time, decode in the host's; 0 if it failed */
  int64_t macs;     /* multiply-accumulates done for it */
} sln_stage_info;
SLN_API sln_status sln_engine_get_stage(const sln_engine* engine, int32_t index, sln_stage_info* info);

typedef struct sln_tensor_info {
  size_t struct_size;
  const char* name;  /* owned by the engine */
  const float* data; /* dense, row-major; owned by the engine, valid until its next run or collect */
  int32_t rank;
  int64_t dims[4]; /* outermost first */
} sln_tensor_info;
/* Captured stage tensors of the image last collected (option "capture"), in order: canvas [3,S,S],
 * features [C,S/4,S/4], global_layers [K+1,S/4,S/4], rpn_objectness [A,g,g] (logits), rpn_deltas [4A,g,g], boxes [n,4],
 * scores [n], anchor_index [n] (as floats), instance_layers [n,K+1,P,P], layers [n,K+1,P,P], confidence [n,P,P],
 * level [n,P,P].
 * What a network does not predict is absent: arcnn and arcnn-visible have neither global_layers nor instance_layers.
 * An index beyond the last is SLN_ERROR_INVALID_ARGUMENT, so that a loop can end there. */
SLN_API sln_status sln_engine_get_tensor(const sln_engine* engine, int32_t index, sln_tensor_info* info);

/* Measures the fp32 fused multiply-add rate of the engine's threads, in FLOP/s. Takes a fraction of a second. */
SLN_API sln_status sln_engine_measure_peak(const sln_engine* engine, double* flops_per_second);

/* ---- Results ---- */

SLN_API sln_status sln_result_create(sln_result** result);
SLN_API void sln_result_destroy(sln_result* result);

typedef struct sln_result_info {
  size_t struct_size;
  int32_t width, height;  /* image, pixels */
  int32_t proposals;      /* boxes that reached the score threshold: RoIs the heads ran for */
  int32_t dropped_empty;  /* objects without a mask pixel */
  int32_t dropped_by_nms; /* objects suppressed by mask_nms or visible_overlap */
  int32_t object_count;
  int32_t pair_count; /* pairs of objects whose amodal masks share a canvas pixel */
  int32_t levels;     /* K */
} sln_result_info;
SLN_API sln_status sln_result_get_info(const sln_result* result, sln_result_info* info);

/* Number of objects, 0 for NULL. Objects are ordered by score, highest first (ties: proposal order). */
SLN_API int32_t sln_result_object_count(const sln_result* result);

typedef struct sln_object {
  size_t struct_size;
  float box[4];          /* x0 y0 x1 y1, image pixels, inside of the image */
  float score;           /* by score_mode */
  float objectness;      /* of the RPN */
  float mean_confidence; /* mean of C over the RoI cells with C > c */
  int32_t proposal;      /* number of its box among the proposals */
  int32_t anchor;        /* flat anchor index of its box */
  int64_t amodal_area;   /* pixels of the image */
  int64_t visible_area;  /* pixels of the image */
} sln_object;
SLN_API sln_status sln_result_get_object(const sln_result* result, int32_t index, sln_object* object);

typedef enum sln_mask { SLN_MASK_AMODAL = 0, SLN_MASK_VISIBLE = 1, SLN_MASK_HIDDEN = 2 } sln_mask;
/* COCO run-length code of a mask on the image grid, compressed text form, NUL-terminated, owned by the result. */
SLN_API sln_status sln_result_get_rle(const sln_result* result, int32_t index, sln_mask mask, const char** text);
/* Decodes a mask to height * width bytes, row-major, 0 or 1. capacity: bytes that pixels holds. */
SLN_API sln_status sln_result_get_mask(const sln_result* result, int32_t index, sln_mask mask, uint8_t* pixels,
                                       size_t capacity);
/* Pixels of the amodal mask at each visibility level, on the image grid; counts holds K values. */
SLN_API sln_status sln_result_get_level_counts(const sln_result* result, int32_t index, int64_t* counts,
                                               int32_t capacity);

/* COCO run-length code of the amodal mask's pixels at one visibility level, level in [0, K), on the image grid, as
 * sln_result_get_rle. Needs the option "level_masks". */
SLN_API sln_status sln_result_get_level_rle(const sln_result* result, int32_t index, int32_t level, const char** text);

typedef struct sln_pair {
  size_t struct_size;
  int32_t a, b;           /* object indices, a < b */
  int32_t order;          /* 1: a is in front of b, -1: b in front of a, 0: undecided (Eq. 4, largest region) */
  int64_t overlap;        /* pixels of Omega (Eq. 5), canvas grid */
  int32_t regions;        /* 4-connected regions of R > 0 and of R < 0 */
  int64_t largest_region; /* pixels of the deciding region, canvas grid */
} sln_pair;
/* Pairs in ascending (a, b). */
SLN_API sln_status sln_result_get_pair(const sln_result* result, int32_t index, sln_pair* pair);

#ifdef __cplusplus
}
#endif
#endif /* SLN_H */
