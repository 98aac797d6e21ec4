/* Packing: a checkpoint's tensors -> the layout that the kernels read, in memory that the packed
 * model owns. */
#ifndef WI_CHECKPOINT_PACK_H
#define WI_CHECKPOINT_PACK_H

#include "checkpoint/source.h"
#include "model/net.h"
#include "model/owned.h"
#include "nn/engine.h"
#include "nn/run.h"

/* How the large matrices are to be stored. AUTO keeps each matrix as the checkpoint has it, except
 * that convolutions, into which a batch norm is folded, and ggml's quantised blocks become f32. */
typedef enum wi_pack_type { WI_PACK_AUTO = 0, WI_PACK_F32, WI_PACK_F16, WI_PACK_BF16 } wi_pack_type;

/* Packs every part of net (opened for the source's params).
 * Owns: pieces live in *owned, also after a failure (the caller frees).
 * Errors: WI_ERR_NOMEM, WI_ERR_FORMAT (a weight is not finite), WI_ERR_CANCELLED: progress (nullable)
 *     is asked several times a second */
wi_status wi_pack(const wi_engine *engine, const wi_source *source, wi_pack_type type,
                  const wi_net *net, wi_owned *owned, const wi_progress *progress, wi_error *error);

/* Which columns of a float matrix to set apart when it becomes int8, ascending; returns how many.
 */
typedef uint32_t wi_apart_chooser(void *context, const wi_mat *mat, uint32_t columns[WI_MAX_APART]);

/* Replaces the large float matrices, and the token table of a small model, by int8 ones; the float
 * panels stay in *owned. Weights: per output channel, symmetric, -127..127, rounded to nearest where the
 * bound WI_S8_FOUR allows, at the scale of least squared error (shrink.c). */
wi_status wi_pack_to_s8(const wi_net *net, wi_apart_chooser *choose, void *context, wi_owned *owned,
                        const wi_progress *progress, wi_error *error);

#endif
