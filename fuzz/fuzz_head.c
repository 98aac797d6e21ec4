/* libFuzzer entry: any bytes as a head file. What opens must answer with ordered, finite
 * logits and scores in [0,1]. */
#include <whatsit/whatsit.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_texts(const wi_head *head, const wi_head_info *info)
{
    for (size_t i = 0; i < info->n_labels; i++) {
        require(wi_head_label(head, i)[0] != '\0' && wi_head_label_full(head, i)[0] != '\0');
        require(wi_head_group(head, i) != NULL);
    }
    for (size_t i = 0; i < info->n_templates; i++)
        require(strstr(wi_head_template(head, i), "{}") != NULL);
    require(!wi_head_label(head, info->n_labels) && !wi_head_template(head, info->n_templates));
}

static void check_answers(const wi_head *head, const wi_head_info *info)
{
    float *embedding = calloc(info->dim, sizeof *embedding);
    wi_answer *answers = calloc(info->n_labels, sizeof *answers);
    size_t n = 0;
    require(embedding && answers);
    for (size_t i = 0; i < info->dim; i++)
        embedding[i] = (float)((int)(i * 7 % 13) - 6) + 0.5f;
    require(wi_head_answer(head, embedding, info->dim, info->n_labels, answers, &n, NULL) == WI_OK);
    require(n == info->n_labels);
    for (size_t i = 0; i < n; i++) {
        require(answers[i].score >= 0 && answers[i].score <= 1 && !isnan(answers[i].logit));
        require(i == 0 || answers[i].logit <= answers[i - 1].logit);
    }
    float known;
    bool none;
    require(wi_head_known(head, embedding, info->dim, &known, &none, NULL) == WI_OK);
    require(!isnan(known) && (!none || known <= info->none_threshold));
    free(answers);
    free(embedding);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    wi_head *head = NULL;
    wi_error error = {0};
    uint8_t *exact =
        malloc(n_bytes ? n_bytes : 1); /* a read past the end is a read past the block */
    require(exact != NULL);
    if (n_bytes)
        memcpy(exact, data, n_bytes);
    wi_status status = wi_head_open_memory(NULL, exact, n_bytes, &head, &error);
    free(exact);
    require((status == WI_OK) == (head != NULL));
    require(status == WI_OK || (error.status == status && error.message[0] != '\0'));
    if (head) {
        wi_head_info info;
        wi_head_get_info(head, &info);
        check_texts(head, &info);
        check_answers(head, &info);
    }
    wi_head_close(&head);
    return 0;
}
