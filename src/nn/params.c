#include "nn/params.h"

#include "base/error.h"

#include <math.h>

const char *wi_activation_name(wi_activation activation)
{
    static const char *const names[] = {[WI_ACT_QUICK_GELU] = "quick_gelu",
                                        [WI_ACT_GELU] = "gelu",
                                        [WI_ACT_GELU_TANH] = "gelu_tanh",
                                        [WI_ACT_RELU] = "relu"};
    return names[activation];
}

wi_act wi_act_of(wi_activation activation)
{
    static const wi_act acts[] = {[WI_ACT_QUICK_GELU] = WI_QUICK_GELU,
                                  [WI_ACT_GELU] = WI_GELU,
                                  [WI_ACT_GELU_TANH] = WI_GELU_TANH,
                                  [WI_ACT_RELU] = WI_RELU};
    return acts[activation];
}

const char *wi_out_of_range(uint32_t value, uint32_t most)
{
    return value == 0 ? "is zero or missing" : value > most ? "is beyond what is supported" : NULL;
}

wi_status wi_block_params_check(const wi_block_params *blocks, const char *tower, wi_error *error)
{
    const struct {
        const char *name;
        uint32_t value, most;
    } sizes[] = {{"width", blocks->width, WI_MAX_WIDTH},
                 {"layers", blocks->n_layers, WI_MAX_LAYERS},
                 {"heads", blocks->n_heads, WI_MAX_HEADS},
                 {"mlp width", blocks->mlp_width, 8 * WI_MAX_WIDTH}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const char *why = wi_out_of_range(sizes[i].value, sizes[i].most);
        if (why)
            return wi_fail(error, WI_ERR_FORMAT, "%s %s: %u %s", tower, sizes[i].name,
                           sizes[i].value, why);
    }
    if (blocks->width % blocks->n_heads != 0)
        return wi_fail(error, WI_ERR_FORMAT, "%s: %u heads do not divide a width of %u", tower,
                       blocks->n_heads, blocks->width);
    if ((unsigned)blocks->activation >= WI_N_ACTIVATIONS)
        return wi_fail(error, WI_ERR_FORMAT, "%s: unknown activation", tower);
    if (blocks->gated && blocks->post_norm)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "%s: gated blocks with post-norm", tower);
    if (!isfinite(blocks->ln_eps) || blocks->ln_eps < 0 || blocks->ln_eps > 1)
        return wi_fail(error, WI_ERR_FORMAT, "%s: layer norm epsilon is not in 0..1", tower);
    return WI_OK;
}
