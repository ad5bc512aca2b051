#include "publish.h"

#include "http/publish.h"

void publish_headers(struct agent *agent)
{
    const struct cv_publications *publishes = &agent->config->publishes;

    for (size_t i = 0; i < publishes->count; i++)
        agent->headers[agent->header_count++] =
            (struct cv_ws_header){CV_PUBLISH_HEADER, publishes->at[i].text};
}

void publish_up(struct agent *agent, const char *url, struct cv_tunnel *tunnel)
{
    const struct cv_session_config *config = cv_session_config(cv_tunnel_session(tunnel));
    const struct cv_log_about about = cv_tunnel_about(tunnel, 0);

    if (agent->config->publishes.count && !(config->features & CV_FEATURE_PUBLISH))
        cv_log_about(&agent->loop.log, CV_LOG_WARN, &about,
                     "%s: nothing is published: this server does not know --publish", url);
}

void publish_told(struct agent *agent, const char *url, const struct cv_tunnel *tunnel,
                  const struct cv_session_event *event)
{
    const struct cv_publications *publishes = &agent->config->publishes;
    const struct cv_log_about about = cv_tunnel_about(tunnel, 0);
    struct cv_span what;

    if (event->number > publishes->count) {
        agent_complain(agent, tunnel, 0,
                       "the server spoke of a publication that was not asked for");
        return;
    }
    what = publishes->at[event->number - 1].asked.what;
    if (event->granted)
        cv_log_about(&agent->loop.log, CV_LOG_INFO, &about, "%s: published %.*s at %.*s", url,
                     (int)what.len, what.at, (int)event->text_len, event->text);
    else
        cv_log_about(&agent->loop.log, CV_LOG_WARN, &about, "%s: %.*s is not published: %.*s", url,
                     (int)what.len, what.at, (int)event->text_len, event->text);
}
