/* libFuzzer entry: any bytes as a label list and as labels between commas. */
#include "text/labels.h"
#include "text/templates.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Every name of a label can be read. */
static void check_names(const char *label)
{
    const char *cursor = label, *name;
    size_t n_name, n_names = 0;
    for (; wi_synonym_next(&cursor, &name, &n_name); n_names++) {
        require(n_name > 0 && name[0] != ' ' && name[n_name - 1] != ' ' &&
                !memchr(name, '|', n_name));
    }
    require(n_names > 0 && n_names == wi_synonym_count(label));
}

static void check_labels(wi_status status, wi_labels *labels, const wi_error *error)
{
    if (status != WI_OK) {
        require(error->status == status && error->message[0] != '\0');
        return;
    }
    require(labels->n_labels > 0);
    for (size_t i = 0; i < labels->n_templates; i++)
        require(wi_template_check(labels->templates[i], NULL) == WI_OK);
    for (size_t i = 0; i < labels->n_labels; i++)
        check_names(labels->labels[i]);
    wi_labels_free(labels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    char *exact = malloc(n_bytes ? n_bytes : 1);
    require(exact != NULL);
    if (n_bytes)
        memcpy(exact, data, n_bytes);
    wi_labels labels;
    wi_error error = {0};
    wi_status status = wi_labels_parse(exact, n_bytes, &labels, &error);
    check_labels(status, &labels, &error);
    status = wi_labels_parse_commas(exact, n_bytes, &labels, &error);
    check_labels(status, &labels, &error);
    free(exact);
    return 0;
}
