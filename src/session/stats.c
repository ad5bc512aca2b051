#include "session/core.h"

const uint32_t cv_dial_bounds[CV_DIAL_BOUNDS] = {1,   2,   5,    10,   25,   50,
                                                 100, 250, 1000, 2500, 5000, 10000};

void cv_stats_dialled(struct cv_session_stats *stats, uint64_t took)
{
    size_t i = 0;

    while (i < CV_DIAL_BOUNDS && took > cv_dial_bounds[i] * CV_MSEC)
        i++;
    stats->dialled[i]++;
    stats->dial_time += took;
}

void cv_session_stats_add(struct cv_session_stats *to, const struct cv_session_stats *from)
{
    to->opened += from->opened;
    for (size_t i = 0; i <= CV_DIAL_BOUNDS; i++)
        to->dialled[i] += from->dialled[i];
    to->dial_time += from->dial_time;
    for (size_t i = 0; i < CV_REASON_COUNT; i++)
        to->closed[i] += from->closed[i];
    to->bytes_in += from->bytes_in;
    to->bytes_out += from->bytes_out;
    to->frames_in += from->frames_in;
    to->frames_out += from->frames_out;
    to->pauses_in += from->pauses_in;
    to->pauses_out += from->pauses_out;
    to->resumes_in += from->resumes_in;
    to->resumes_out += from->resumes_out;
    to->error_bytes_out += from->error_bytes_out;
    to->unknown_frames += from->unknown_frames;
}

const char *cv_notice_text(enum cv_notice notice)
{
    switch (notice) {
    case CV_NOTICE_DUPLICATE_ID:
        return "a Connect under an id that is in use was ignored";
    case CV_NOTICE_CONN_LIMIT:
        return "a Connect over the limit of connections was refused";
    case CV_NOTICE_BAD_CONNECT:
        return "a Connect with too long an address was refused";
    case CV_NOTICE_BAD_ANNOUNCE:
        return "an announcement that cannot be right was ignored";
    case CV_NOTICE_ORPHANS_FULL:
        return "it sends Data for connections that are not there faster than it reads the answers";
    }
    return "something odd";
}
