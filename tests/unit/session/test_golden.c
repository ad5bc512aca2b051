/* Every recorded reaction of a reference session, replayed against ours in reference mode. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "end.h"
#include "golden/golden.h"

#define ANYWHERE ""

/* Where we differ on purpose. `fatal` and `frames` are what ours does instead; `conns` likewise,
 * besides 2. */
static const struct difference {
    const char *setup; /* what the entry's set-up begins with */
    const char *name;  /* what the entry's name ends in */
    const char *frames, *events;
    bool keeps; /* the dialled connection waits for the shell's word */
    const char *rule;
} differences[] = {
    {"no_conns", "connect_ok", "", "connect 2 tcp|127.0.0.1:80", true,
     "whether an address is allowed the shell decides; a refusal closes one connection"},
    {"no_conns", "connect_slashes", "", "connect 2 unix|/a/b/c", true,
     "whether an address is allowed the shell decides; a refusal closes one connection"},
    {"no_conns", "connect_267_bytes_truncated", "Error 2 the address is over 266 bytes",
     "notice bad_connect 2", false, "nothing is cut silently"},
    {"no_conns", "connect_slash_after_266", "Error 2 the address is over 266 bytes",
     "notice bad_connect 2", false, "nothing is cut silently"},
    {"conn_2", "connect_ok", "", "notice duplicate 2", false, "a duplicate connID is ignored"},
    {"conn_2", "connect_slashes", "", "notice duplicate 2", false, "a duplicate connID is ignored"},
    {"conn_2", "connect_267_bytes_truncated", "", "notice duplicate 2", false,
     "a duplicate connID is ignored"},
    {"conn_2", "connect_slash_after_266", "", "notice duplicate 2", false,
     "a duplicate connID is ignored"},
    {"conn_2", "connect_empty_address", "", "notice duplicate 2", false,
     "a duplicate connID is ignored"},
    {ANYWHERE, "addclient_101_bytes", "", "notice bad_announce 0", false,
     "an announcement over 100 bytes is ignored, not cut"},
    {"conn_2_open_paused", "resume", "Resume 2", "", false,
     "(b): each Resume is answered with one Resume when a Pause was outstanding"},
};

static struct end end;
static char frames[END_WORDS], events[END_WORDS];

static const struct difference *difference_of(const struct golden_serve *serve)
{
    const char *name = strchr(serve->name, '/') + 1;

    for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++) {
        const struct difference *d = &differences[i];

        if (strncmp(serve->setup, d->setup, strlen(d->setup)) == 0 && strcmp(name, d->name) == 0)
            return d;
    }
    return NULL;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static void set_up_as(const char *setup)
{
    struct cv_session_config config = end_reference(CV_SESSION_ACCEPTOR);

    end_init(&end, &config);
    end.takes = 0;
    end.foreign = true;
    if (begins(setup, "conn_2")) {
        cr_assert_eq(end_dial(&end), 2);
        cr_assert_str_eq(end_says(&end), "Connect 2 tcp/a:1");
    }
    if (begins(setup, "conn_2_open_paused"))
        cr_assert_eq(end_hear(&end, CV_FRAME_PAUSE, 2, ""), 0);
}

/* What the reference wrote, in words; its frame ids are its own. */
static void expected_frames(const struct golden_serve *serve)
{
    size_t n = 0;

    frames[0] = '\0';
    for (size_t i = 0; i < serve->written_count; i++) {
        const struct golden_bytes *w = &serve->written[i];
        struct cv_frame frame;
        int head = cv_frame_decode(&frame, w->data, w->len);

        cr_assert_gt(head, 0);
        cr_assert_eq(frame.type, CV_FRAME_ERROR);
        n += (size_t)snprintf(frames + n, sizeof(frames) - n, "%sError %" PRId64 "%s%.*s",
                              i ? "; " : "", frame.conn_id, w->len > (size_t)head ? " " : "",
                              (int)(w->len - (size_t)head), (const char *)w->data + head);
    }
}

/* What is left of connection 2 afterwards. */
static void check_conn_2(const struct golden_serve *serve)
{
    bool alive = serve->conn_count > 0;
    struct cv_slot slot;

    cr_expect_eq(cv_session_set_user(end.session, 2, NULL), alive ? 0 : CV_ESTALE, "%s",
                 serve->name);
    if (!alive)
        return;
    cr_expect_eq((int64_t)end_backlog(&end, 2), serve->buffered, "%s", serve->name);
    end_source(&end, 2, 1);
    cv_session_next(end.session, SIZE_MAX, end.now, &slot);
    cr_expect_eq(slot.kind, serve->paused ? CV_SLOT_NONE : CV_SLOT_DATA, "%s", serve->name);
}

static void replay(const struct golden_serve *serve)
{
    const struct difference *d = difference_of(serve);
    int rc;

    set_up_as(serve->setup);
    rc = end_hear_message(&end, serve->message.data, serve->message.len);
    if (serve->dialed && !begins(serve->setup, "conn_2")) {
        /* what the recording's shell did: its dial failed */
        cr_assert_eq(cv_session_abort(end.session, 2, CV_REASON_DIAL, "dial refused by vector"), 0);
        d = NULL;
    }
    expected_frames(serve);
    cr_expect_eq(rc, serve->fatal && !d ? CV_EPROTO : 0, "%s", serve->name);
    snprintf(events, sizeof(events), "%s", end_tells(&end));
    if (rc == 0)
        cr_expect_str_eq(end_says(&end), d ? d->frames : frames, "%s", serve->name);
    if (d)
        cr_expect_str_eq(events, d->events, "%s", serve->name);
    if (d && d->keeps)
        cr_expect_eq(cv_session_abort(end.session, 2, CV_REASON_REFUSED, NULL), 0);
    if (rc == 0 && begins(serve->setup, "conn_2_open") && !serve->dialed)
        check_conn_2(serve);
    if (serve->announced && !d)
        cr_expect(begins(events, "add foo/5"), "%s: %s", serve->name, events);
    if (rc == 0 && !d && !begins(serve->setup, "conn_2"))
        cr_expect_eq(cv_session_conns(end.session), serve->conn_count, "%s", serve->name);
    end_deinit(&end);
}

Test(golden, serves_every_recorded_message_as_the_reference_does_or_as_the_table_says)
{
    struct golden golden;

    golden_load(&golden);
    cr_assert_eq(golden.serve_count, 104);
    for (size_t i = 0; i < golden.serve_count; i++)
        replay(&golden.serve[i]);
    golden_free(&golden);
}

Test(golden, each_difference_on_purpose_is_one_that_is_there)
{
    bool met[sizeof(differences) / sizeof(differences[0])] = {0};
    struct golden golden;

    golden_load(&golden);
    for (size_t i = 0; i < golden.serve_count; i++) {
        const struct difference *d = difference_of(&golden.serve[i]);

        if (d)
            met[d - differences] = true;
    }
    for (size_t i = 0; i < sizeof(met) / sizeof(met[0]); i++)
        cr_expect(met[i], "%s %s: %s", differences[i].setup, differences[i].name,
                  differences[i].rule);
    golden_free(&golden);
}

Test(golden, pieces_cut_at_every_byte_are_served_the_same)
{
    struct golden golden;

    golden_load(&golden);
    for (size_t i = 0; i < golden.serve_count; i++) {
        const struct golden_serve *serve = &golden.serve[i];
        int whole, cut;

        set_up_as(serve->setup);
        end.takes = END_EVERYTHING;
        whole = end_hear_message(&end, serve->message.data, serve->message.len);
        snprintf(events, sizeof(events), "%s", end_tells(&end));
        snprintf(frames, sizeof(frames), "%s", whole < 0 ? "" : end_says(&end));
        end_deinit(&end);
        set_up_as(serve->setup);
        end.piece = 1;
        end.takes = END_EVERYTHING;
        cut = end_hear_message(&end, serve->message.data, serve->message.len);
        cr_expect_eq(cut, whole, "%s", serve->name);
        if (begins(events, "data 2 2"))
            cr_expect_str_eq(end_tells(&end), "data 2 1; data 2 1", "%s", serve->name);
        else
            cr_expect_str_eq(end_tells(&end), events, "%s", serve->name);
        cr_expect_str_eq(cut < 0 ? "" : end_says(&end), frames, "%s", serve->name);
        end_deinit(&end);
    }
    golden_free(&golden);
}
