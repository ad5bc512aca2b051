#include "config/outward.h"

#include <string.h>

#include "access/token.h"
#include "base/error.h"
#include "config/file.h"

static int find_token(struct cv_outward *outward, struct cv_common_config *common,
                      const char *token, struct cv_config_error *error)
{
    const char *program = common->program->name;
    struct cv_text text;

    if (outward->token_file)
        return cv_token_load(&outward->token, &common->arena, program, outward->token_file, error);
    if (!token || token[0] == '\0')
        return 0;
    if (!cv_token_valid(token, strlen(token))) {
        cv_config_error_start(&text, error, program);
        cv_text_str(&text, "CULVERT_TOKEN: holds no token");
        return CV_ESYNTAX;
    }
    outward->token = cv_arena_copy(&common->arena, token, strlen(token));
    return outward->token ? 0 : cv_config_error_memory(error, program);
}

int cv_outward_load(struct cv_outward *outward, struct cv_common_config *common, const char *token,
                    struct cv_config_error *error)
{
    int rc;

    if (outward->cert && !outward->key)
        return cv_options_refuse(common, "cert", "needs --key besides", NULL, error);
    if (outward->key && !outward->cert)
        return cv_options_refuse(common, "key", "needs --cert besides", NULL, error);
    rc = find_token(outward, common, token, error);
    if (rc == 0 && outward->proxy_auth_file)
        rc = cv_proxy_auth_load(&outward->proxy_auth, &common->arena, common->program->name,
                                outward->proxy_auth_file, error);
    return rc;
}
