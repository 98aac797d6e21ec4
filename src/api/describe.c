#include "model/describer.h"

#include "base/error.h"
#include "head/groups.h"

#include <math.h>
#include <string.h>
#include <whatsit/head.h>

wi_status wi_model_sight(const wi_model *model, char hex[65], wi_error *error)
{
    if (!model || !hex)
        return wi_fail(error, WI_ERR_ARG, "wi_model_sight: a NULL argument");
    return wi_mdl_sight(model, hex, error);
}

wi_status wi_describer_open(const wi_model *model, const wi_model *decoder,
                            const wi_describer_options *options, wi_describer **out,
                            wi_error *error)
{
    const wi_describer_options defaults = {0};
    if (!model || !decoder || !out)
        return wi_fail(error, WI_ERR_ARG,
                       "wi_describer_open: a model, a decoder and a place are needed");
    if (!options)
        options = &defaults;
    const wi_status fits = wi_check_reserved(options->reserved, "wi_describer_options", error);
    return fits == WI_OK ? wi_dsc_open(model, decoder, options, out, error) : fits;
}

void wi_describer_close(wi_describer **describer)
{
    wi_dsc_close(describer);
}

bool wi_describer_has_scale(const wi_describer *describer)
{
    return describer && wi_dsc_has_scale(describer);
}

wi_status wi_describe(wi_describer *describer, const uint8_t *pixels, size_t n,
                      const wi_describe_options *options, wi_caption *out, size_t *n_out,
                      float *embeddings, wi_error *error)
{
    const wi_describe_options defaults = {0};
    if (!describer || (n && (!pixels || !out || !n_out)))
        return wi_fail(error, WI_ERR_ARG, "wi_describe: a NULL argument");
    if (!options)
        options = &defaults;
    const wi_status fits = wi_check_reserved(options->reserved, "wi_describe_options", error);
    return fits == WI_OK
               ? wi_dsc_describe(describer, pixels, n, options, out, n_out, embeddings, error)
               : fits;
}

static float cosine(const float *a, const float *b, size_t dim)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < dim; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return (float)(ab / sqrt(aa * bb));
}

/* A cosine that is no number finds nothing. */
static bool found_in(const float *embedding, const float *sentence, size_t dim, float best_word)
{
    return isnan(best_word) || cosine(embedding, sentence, dim) >= WI_SENTENCE_SHARE * best_word;
}

wi_status wi_caption_weigh(const wi_caption *best, const wi_head *everyday, const float *embedding,
                           const float *sentence, size_t dim, bool *stands, const char **perhaps,
                           wi_error *error)
{
    wi_verdict verdict;
    wi_answer word;
    if (!best || !everyday || !embedding || !stands || !perhaps)
        return wi_fail(error, WI_ERR_ARG, "wi_caption_weigh: a NULL argument");
    *stands = false;
    *perhaps = "";
    const wi_status status = wi_groups_judge(everyday, embedding, dim, &verdict, &word, error);
    if (status != WI_OK)
        return status;
    const char *group =
        verdict.label == SIZE_MAX ? verdict.name : wi_head_group(everyday, verdict.label);
    if (!group || !*group)
        group = verdict.name;
    const bool nothing = verdict.certainty >= WI_PROBABLY && strcmp(group, WI_GROUP_NOTHING) == 0;
    *stands =
        best->sure && !nothing && (!sentence || found_in(embedding, sentence, dim, word.cosine));
    if (!*stands && verdict.certainty > WI_CANNOT_TELL)
        *perhaps = group;
    return WI_OK;
}
