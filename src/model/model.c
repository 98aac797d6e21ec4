#include "model/model.h"

#include "base/error.h"
#include "base/progress.h"
#include "base/sha256.h"
#include "model/paramsfile.h"
#include "model/pieces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void wi_mdl_close(wi_model **model_pointer)
{
    if (!model_pointer || !*model_pointer)
        return;
    wi_model *model = *model_pointer;
    wi_net_close(&model->net);
    wi_owned_free(&model->owned);
    wi_gguf_close(&model->gguf);
    wi_map_close(&model->map);
    free(model->tokenizer.own);
    free(model->name);
    free(model->licence);
    free(model->source);
    free(model);
    *model_pointer = NULL;
}

static wi_weights weights_of(wi_mat_type type)
{
    static const wi_weights map[] = {[WI_MAT_F32] = WI_WEIGHTS_F32,
                                     [WI_MAT_F16] = WI_WEIGHTS_F16,
                                     [WI_MAT_BF16] = WI_WEIGHTS_BF16,
                                     [WI_MAT_S8] = WI_WEIGHTS_INT8};
    return map[type];
}

/* A model is named after its first large matrix: all are stored alike, but for the few kept in
 * float, and depthwise ones, which are f32 beside half precision. */
static wi_status note_weights(void *context, const wi_part *part, wi_error *error)
{
    (void)error;
    wi_weights *weights = context;
    if (*weights == WI_WEIGHTS_AUTO && part->mat && !part->keep_float &&
        part->kind != WI_PART_DEPTHWISE)
        *weights = weights_of(part->mat->type);
    return WI_OK;
}

wi_status wi_mdl_note_weights(wi_model *model, wi_error *error)
{
    model->weights = WI_WEIGHTS_AUTO;
    return wi_net_walk(&model->net, note_weights, &model->weights, error);
}

wi_status wi_mdl_require_towers(const wi_model *model, uint32_t towers, wi_error *error)
{
    const bool image = model->params.tower[WI_ROLE_IMAGE].kind != NULL,
               text = model->params.tower[WI_ROLE_TEXT].kind != NULL;
    if (!image && !text && towers & (WI_TOWER_IMAGE | WI_TOWER_TEXT))
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "%s is a describer: it goes with a model, by 'whatsit describe'",
                       model->name);
    if (towers & WI_TOWER_DECODER && !model->params.tower[WI_ROLE_DECODER].kind)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "%s is no describer", model->name);
    if ((towers & WI_TOWER_IMAGE && !image) || (towers & WI_TOWER_TEXT && !text))
        return wi_fail(error, WI_ERR_UNSUPPORTED, "%s has no %s tower", model->name,
                       image ? "text" : "image");
    return WI_OK;
}

/* --- fingerprint --- */

typedef struct hashing {
    wi_sha256 sha;
    const wi_progress *progress;
    uint64_t done;
    const wi_tower_sight *sight; /* NULL: of everything */
} hashing;

static wi_status hash_part(void *context, const wi_part *part, wi_error *error)
{
    hashing *h = context;
    wi_piece pieces[WI_MAX_PIECES];
    const size_t n = wi_part_pieces(part, pieces);
    for (size_t i = 0; i < n; i++) {
        char head[160];
        snprintf(head, sizeof head, "%.79s %u %llu %llu %llu\n", pieces[i].name,
                 (unsigned)pieces[i].type, (unsigned long long)pieces[i].dims[0],
                 (unsigned long long)pieces[i].dims[1], (unsigned long long)pieces[i].dims[2]);
        wi_sha256_update(&h->sha, head, strlen(head));
        wi_sha256_update(&h->sha, pieces[i].data, pieces[i].n_bytes);
        h->done += pieces[i].n_bytes;
        if (!wi_progress_report(h->progress, h->done, 0))
            return wi_fail(error, WI_ERR_CANCELLED, "stopped");
    }
    return WI_OK;
}

static wi_status hash_shown(void *context, const wi_part *part, wi_error *error)
{
    const wi_tower_sight *sight = ((hashing *)context)->sight;
    return part->name[0] == 'v' && sight->shows(part->name) ? hash_part(context, part, error)
                                                            : WI_OK;
}

wi_status wi_mdl_sight(const wi_model *model, char hex[65], wi_error *error)
{
    const wi_tower_kind *kind = model->net.tower[WI_ROLE_IMAGE].kind;
    const wi_preprocess *p = &model->params.preprocess;
    char head[200];
    uint8_t digest[32];
    if (!kind || !kind->sight)
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "%s: no describer can read an image tower of its kind", model->name);
    hashing h = {.sight = kind->sight};
    wi_sha256_init(&h.sha);
    snprintf(head, sizeof head, "sight %s %u %u %d %d %d %.9g %.9g %.9g %.9g %.9g %.9g\n",
             kind->name, p->size_px, p->resize_px, (int)p->mode, (int)p->interpolation,
             p->crop_floor, (double)p->mean[0], (double)p->mean[1], (double)p->mean[2],
             (double)p->std[0], (double)p->std[1], (double)p->std[2]);
    wi_sha256_update(&h.sha, head, strlen(head));
    const wi_status status = wi_net_walk(&model->net, hash_shown, &h, error);
    if (status != WI_OK)
        return status;
    wi_sha256_finish(&h.sha, digest);
    wi_sha256_hex(digest, hex);
    return WI_OK;
}

wi_status wi_mdl_fingerprint(const wi_model *model, const wi_progress *progress, char hex[65],
                             wi_error *error)
{
    hashing h = {.progress = progress};
    wi_sha256_init(&h.sha);
    wi_params_hash(&model->params, &h.sha);
    if (model->tokenizer.kind)
        wi_sha256_update(&h.sha, model->tokenizer.table, model->tokenizer.n_bytes);
    const wi_status status = wi_net_walk(&model->net, hash_part, &h, error);
    if (status != WI_OK)
        return status;
    uint8_t digest[32];
    wi_sha256_finish(&h.sha, digest);
    wi_sha256_hex(digest, hex);
    return WI_OK;
}
