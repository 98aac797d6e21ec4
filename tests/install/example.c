/* Which of the labels is it?   example MODEL IMAGE LABEL... */
#include <stdio.h>
#include <stdlib.h>
#include <whatsit/whatsit.h>

int main(int argc, char **argv)
{
    wi_error error = {0};
    wi_engine *engine = NULL;
    wi_model *model = NULL;
    wi_session *session = NULL;
    wi_head *head = NULL;
    wi_image *image = NULL;
    wi_model_info info;
    wi_answer best;
    size_t n = 0;
    if (argc < 4)
        return 2;
    wi_head_recipe recipe = {.labels = (const char *const *)(argv + 3),
                             .n_labels = (size_t)argc - 3};
    if (wi_engine_open(NULL, &engine, &error) || /* threads, and kernels for this processor */
        wi_model_open(engine, argv[1], NULL, &model, &error) || /* mapped, not copied */
        wi_model_get_info(model, &info, &error) ||
        wi_session_open(model, NULL, &session, &error) || /* working memory of one thread */
        wi_head_build(session, &recipe, &head, NULL, &error) ||
        wi_image_from_file(argv[2], NULL, &image, &error))
        goto failed;
    uint8_t *pixels = malloc(3 * (size_t)info.image_px * info.image_px);
    float *embedding = malloc(info.embedding_dim * sizeof *embedding);
    if (!pixels || !embedding)
        return 1;
    if (wi_image_preprocess(engine, image, &info.preprocess, pixels, &error) ||
        wi_session_encode_images(session, pixels, 1, embedding, &error) ||
        wi_head_answer(head, embedding, info.embedding_dim, 1, &best, &n, &error))
        goto failed;
    printf("%s (%.0f %%)\n", wi_head_label(head, best.label), 100.0 * (double)best.score);
    return 0;
failed:
    fprintf(stderr, "example: %s\n", error.message);
    return 1;
}
