#include "scales.h"
#include "heads.h"
#include "term.h"
#include <stdlib.h>

static bool open_scales(cli_scales *s)
{
    wi_error error = {0};
    const wi_session_options alone = {.max_images = 1};
    if (cli_head_everyday(s->runtime, false, &s->everyday) != CLI_OK) {
        return false;
    }
    s->sentence = malloc(s->runtime->info.embedding_dim * sizeof *s->sentence);
    if (!s->sentence) {
        cli_error(s->runtime->app, "out of memory");
        return false;
    }
    return wi_session_open(s->runtime->model, &alone, &s->reader, &error) == WI_OK ||
           cli_failed(s->runtime->app, NULL, &error) == CLI_OK;
}

bool cli_weigh(cli_scales *s, const wi_caption *best, const float *embedding, cli_told *out)
{
    wi_error error = {0};
    const char *text = best->text;
    const wi_model_info *info = &s->runtime->info;
    *out = (cli_told){.sentence = best->sure, .weighed = s->has_scale, .perhaps = ""};
    if (!s->has_scale || !info->text.present) {
        return true; /* in the second case there are no words to ask the model with */
    }
    if (!s->reader && !open_scales(s)) {
        return false;
    }
    wi_status status = WI_OK;
    if (best->sure) { /* else it does not stand, whatever the model finds */
        status = wi_session_encode_texts(s->reader, &text, 1, s->sentence, NULL, NULL, &error);
    }
    if (status == WI_OK) {
        status = wi_caption_weigh(best, s->everyday, embedding, best->sure ? s->sentence : NULL,
                                  info->embedding_dim, &out->sentence, &out->perhaps, &error);
    }
    return status == WI_OK || cli_failed(s->runtime->app, NULL, &error) == CLI_OK;
}

void cli_scales_close(cli_scales *s)
{
    free(s->sentence);
    wi_session_close(&s->reader);
    wi_head_close(&s->everyday);
}
