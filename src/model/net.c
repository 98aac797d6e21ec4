#include "model/net.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

wi_status wi_net_open(const wi_params *params, wi_net *out, wi_error *error)
{
    wi_tower_setting setting = {.embedding_dim = params->embedding_dim};
    memcpy(setting.mean, params->preprocess.mean, sizeof setting.mean);
    memcpy(setting.std, params->preprocess.std, sizeof setting.std);
    memset(out, 0, sizeof *out);
    for (int role = 0; role < WI_N_ROLES; role++) {
        const wi_tower_params *p = &params->tower[role];
        if (!p->kind)
            continue;
        const size_t bytes = p->kind->bytes(p->values);
        void *self = calloc(1, bytes);
        if (!self) {
            wi_net_close(out);
            return wi_fail_nomem(error, bytes, "the list of a model's layers");
        }
        out->tower[role] = (wi_tower){p->kind, self};
        p->kind->open(p->values, &setting, self);
    }
    wi_status status = WI_OK;
    for (int role = 0; role < WI_N_ROLES && status == WI_OK; role++)
        if (out->tower[role].kind && out->tower[role].kind->join)
            status = out->tower[role].kind->join(out->tower[role].self, out->tower, error);
    if (status != WI_OK)
        wi_net_close(out);
    return status;
}

void wi_net_close(wi_net *net)
{
    for (int role = 0; role < WI_N_ROLES; role++)
        free(net->tower[role].self);
    memset(net, 0, sizeof *net);
}

wi_status wi_net_walk(const wi_net *net, wi_part_visitor *visit, void *context, wi_error *error)
{
    wi_walker walker = {visit, context, error, WI_OK};
    for (int role = 0; role < WI_N_ROLES; role++)
        if (net->tower[role].kind)
            net->tower[role].kind->walk(net->tower[role].self, &walker);
    return walker.status;
}

wi_status wi_net_check(const wi_net *net, wi_error *error)
{
    wi_status status = WI_OK;
    for (int role = 0; role < WI_N_ROLES && status == WI_OK; role++)
        if (net->tower[role].kind && net->tower[role].kind->bound)
            status = net->tower[role].kind->bound(net->tower[role].self, error);
    return status;
}
