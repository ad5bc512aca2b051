"""Hand-made mutants of the core, each a mistake that somebody could make: (name, file, text,
replacement). The text must stand exactly once in the file: a mutant that no longer applies is an
error, not a pass.
"""

MUTANTS = [
    (
        "drop-a-resume",
        "src/conn/flow.c",
        "    else\n        conn->wants |= CV_WANT_RESUME;\n",
        "",
    ),
    (
        "data-overtakes-control",
        "src/session/send.c",
        "    if (control_next(s, room, now, slot)",
        "    if (data_next(s, room, slot) || control_next(s, room, now, slot)",
    ),
    (
        "forget-a-close",
        "src/session/entry.c",
        "        e->tells |= EVENT_CLOSED;\n",
        "        e->tells |= e->reason == CV_REASON_REMOTE ? 0 : EVENT_CLOSED;\n",
    ),
    (
        "tell-a-close-twice",
        "src/session/recv.c",
        "        e->tells = 0;\n        e->closed_told = true;\n",
        "        e->closed_told = true;\n",
    ),
    (
        "reuse-an-id-early",
        "src/session/conns.c",
        "    s->next_id += 2;\n    s->stats.opened++;\n",
        "    s->stats.opened++;\n",
    ),
    (
        "leak-an-entry",
        "src/session/entry.c",
        "    if (e->closed_told && !e->wants) {\n",
        "    if (e->closed_told && !e->wants && e->reason != CV_REASON_REMOTE) {\n",
    ),
    (
        "leak-a-text",
        "src/session/entry.c",
        "    cv_conn_deinit(&e->conn, s->alloc, &s->budget);\n    cv_free(s->alloc, e->text);\n",
        "    cv_conn_deinit(&e->conn, s->alloc, &s->budget);\n",
    ),
    (
        "keep-some-budget",
        "src/base/chain.c",
        "        cv_budget_give(budget, block_footprint(block->size));\n",
        "        cv_budget_give(budget, block->size);\n",
    ),
    (
        "skip-an-unmask-phase",
        "src/ws/read.c",
        "        cv_ws_mask(data, n, ws->mask, ws->seen);\n",
        "        cv_ws_mask(data, n, ws->mask, 0);\n",
    ),
    (
        "forget-a-grant",
        "src/conn/flow.c",
        "            conn->wants |= CV_WANT_WINDOW;\n",
        "            conn->wants |= conn->rx_window > CV_WINDOW_INITIAL ? 0 : CV_WANT_WINDOW;\n",
    ),
    (
        "grant-what-is-not-consumed",
        "src/conn/flow.c",
        "    conn->rx_consumed = 0;\n    conn->rx_credit += grant;\n",
        "    conn->rx_credit += grant / 2;\n    conn->rx_consumed = 0;\n",
    ),
    (
        "deliver-a-stored-byte-twice",
        "src/session/conns.c",
        "    cv_conn_unstore(&e->conn, s->alloc, &s->budget, len);\n",
        "    cv_conn_unstore(&e->conn, s->alloc, &s->budget, len > 1 ? len - 1 : len);\n",
    ),
    (
        "ignore-an-end-of-data",
        "src/session/recv.c",
        "        if (s->config.features & CV_FEATURE_HALFCLOSE)\n            cv_entry_move(",
        "        if ((s->config.features & CV_FEATURE_HALFCLOSE) && e->conn.rx.len == 0)\n"
        "            cv_entry_move(",
    ),
    (
        "tell-the-end-before-the-rest",
        "src/session/entry.c",
        "    if (after == CV_CONN_REMOTE_FIN && e->conn.rx.len == 0)\n",
        "    if (after == CV_CONN_REMOTE_FIN)\n",
    ),
    (
        "route-to-the-oldest-session",
        "src/manager/manager.c",
        "    cv_list_push_front(&group->members, &member->in_group);\n",
        "    cv_list_push_back(&group->members, &member->in_group);\n",
    ),
    (
        "stay-a-member",
        "src/manager/manager.c",
        "    HASH_DEL(m->members, member);\n    cv_free(m->alloc, member);\n",
        "    HASH_DEL(m->members, member);\n",
    ),
    (
        "end-the-session-for-one-connection",
        "src/session/entry.c",
        "    e->wire_over = true;\n"
        "    e->reason = reason;\n"
        "    cv_entry_move(s, e, CV_CONN_EV_ABORT);\n",
        "    e->wire_over = true;\n"
        "    e->reason = reason;\n"
        "    s->takeover_at = reason == CV_REASON_DIAL ? 0 : s->takeover_at;\n"
        "    cv_entry_move(s, e, CV_CONN_EV_ABORT);\n",
    ),
    (
        "never-ask-again",
        "src/conn/flow.c",
        "    conn->probe_at = now + conn->probe_wait;\n",
        "",
    ),
    (
        "resume-unasked",
        "src/conn/flow.c",
        "    if (conn->pause_open)\n        conn->wants |= CV_WANT_RESUME;\n",
        "    conn->wants |= CV_WANT_RESUME;\n",
    ),
    (
        "no-cap",
        "src/conn/flow.c",
        "    if (conn->mode != CV_FLOW_CREDIT && conn->rx.len + len > limits->rx_cap)\n"
        "        return CV_EFLOW;\n",
        "",
    ),
    (
        "no-window",
        "src/conn/flow.c",
        "    if (len > conn->rx_credit)\n        return CV_EFLOW;\n    conn->rx_credit -= len;\n",
        "    conn->rx_credit -= len > conn->rx_credit ? 0 : len;\n",
    ),
    (
        "silence-is-no-end",
        "src/session/tick.c",
        "now >= s->takeover_at || now >= s->heard_at + dead_after(s))\n",
        "now >= s->takeover_at)\n",
    ),
    (
        "lose-a-frame-without-memory",
        "src/net/link.c",
        "        if (!link->out && cv_session_pending(link->session)) {\n",
        "        if (0) {\n",
    ),
    (
        "pass-what-is-stored",
        "src/session/recv.c",
        "e->wire_over || e->dgram || e->conn.rx.len > 0)",
        "e->wire_over || e->dgram)",
    ),
    (
        "forget-what-passed",
        "src/session/recv.c",
        "    cv_conn_consumed(&e->conn, &s->limits, len);\n    cv_entry_settle(s, e);\n}\n",
        "    cv_entry_settle(s, e);\n}\n",
    ),
    (
        "lay-behind-bytes-aside",
        "src/net/link.c",
        "    while (!link->closing && link->aside == 0) {\n",
        "    while (!link->closing) {\n",
    ),
    (
        "close-before-bytes-aside",
        "src/net/link.c",
        "    return (link->aside > 0 ? link->aside_at : link->out_end) - link->out_start;\n",
        "    return link->out_end - link->out_start;\n",
    ),
    (
        "close-by-one-list",
        "src/session/sync.c",
        "        if (e->missed < 2 || now - e->opened_at <= CV_SYNC_GRACE)\n",
        "        if (e->missed < 1)\n",
    ),
    (
        "never-answer-a-resume",
        "src/conn/flow.c",
        "    if (conn->pause_open)\n"
        "        conn->wants |= CV_WANT_RESUME;\n",
        "",
    ),
    (
        "one-flag-for-both-directions",
        "src/conn/flow.c",
        "    if (conn->tx_paused)\n"
        "        return 0;\n",
        "    if (conn->tx_paused || conn->rx_paused)\n"
        "        return 0;\n",
    ),
    (
        "a-queue-flows-backwards",
        "src/rendezvous/ends.c",
        "    cv_list_push_back(&to->list, link);\n",
        "    cv_list_push_front(&to->list, link);\n",
    ),
    (
        "no-word-of-what-flowed",
        "src/rendezvous/rooms.c",
        "        rooms->counters.relayed++;\n"
        "    }\n"
        "    cv_room_end_news(rooms, to);\n",
        "        rooms->counters.relayed++;\n"
        "    }\n",
    ),
    (
        "who-came-back-goes-all-the-same",
        "src/rendezvous/rooms.c",
        "    cv_list_remove(&client->absent);\n",
        "",
    ),
    (
        "a-queue-without-end",
        "src/rendezvous/rooms.c",
        "queue->count < CV_ROOMS_QUEUE_MAX && ",
        "",
    ),
    (
        "a-full-end-takes-one-more",
        "src/rendezvous/ends.c",
        "    if (has_room(end, count, len))\n",
        "    if (has_room(end, count, 1))\n",
    ),
    (
        "who-hoards-least-pays",
        "src/rendezvous/ends.c",
        "    size_t i = CV_ROOM_RANKS;\n\n"
        "    while (i--)\n",
        "    for (size_t i = 0; i < CV_ROOM_RANKS; i++)\n",
    ),
    (
        "flow-beyond-the-cap",
        "src/rendezvous/rooms.c",
        "    if (!cv_room_end_takes(rooms, to, client->queue.count, client->queue.bytes, now))\n"
        "        return;\n",
        "",
    ),
    (
        "a-source-pays-for-ever",
        "src/rendezvous/room.c",
        "    HASH_DELETE(hh, rooms->rooms, room);\n"
        "    discharge(rooms, room->source);\n",
        "    HASH_DELETE(hh, rooms->rooms, room);\n",
    ),
    (
        "a-deleted-end-counts-on",
        "src/rendezvous/room.c",
        "        end->closing = true;\n"
        "        rooms->counters.open_ws--;\n",
        "        end->closing = true;\n",
    ),
    (
        "a-room-without-anybody",
        "src/rendezvous/room.c",
        "    refusal = add_client(rooms, out, room, id, now);\n"
        "    close_if_empty(rooms, room);\n",
        "    refusal = add_client(rooms, out, room, id, now);\n",
    ),
    (
        "absent-in-the-wrong-order",
        "src/rendezvous/room.c",
        "    cv_list_push_back(&rooms->absent, &client->absent);\n",
        "    cv_list_push_front(&rooms->absent, &client->absent);\n",
    ),
]

# Caught by `sim --mesh`, where several servers are peers.
MESH_MUTANTS = [
    (
        "believe-an-agent-about-routes",
        "src/manager/announce.c",
        "peer->info.kind != CV_MEMBER_PEER || ",
        "",
    ),
    (
        "leave-a-lost-peer-alone",
        "src/manager/manager.c",
        "    if (kind != CV_MEMBER_OUTGOING)\n        probe(",
        "    if (kind == CV_MEMBER_AGENT)\n        probe(",
    ),
    (
        "probe-and-say-nothing",
        "src/manager/manager.c",
        "        cv_session_probe(member->info.session, now);\n"
        "        cv_member_wake(m, member, 0);\n",
        "        cv_session_probe(member->info.session, now);\n",
    ),
    (
        "pass-a-peers-dial-on",
        "src/manager/route.c",
        "if (group && wish->from == CV_ROUTE_VISITOR && !best.healthy)",
        "if (group && !best.healthy)",
    ),
    (
        "ask-peers-first",
        "src/manager/route.c",
        "VISITOR && !best.healthy) {\n"
        "        peer = pick_peer(group, wish, now, &full);\n"
        "        if (!best.member || peer.healthy)\n",
        "VISITOR && !cv_list_empty(&group->announced)) {\n"
        "        peer = pick_peer(group, wish, now, &full);\n"
        "        if (!best.healthy || peer.healthy)\n",
    ),
    (
        "take-a-peer-for-its-client",
        "src/manager/route.c",
        "        if (member->info.kind == CV_MEMBER_AGENT && takes_dials(member, wish, full))\n",
        "        if (takes_dials(member, wish, full))\n",
    ),
    (
        "keep-what-a-peer-took-back",
        "src/manager/announce.c",
        "    if (a && !add)\n        forget(m, a);\n",
        "",
    ),
    (
        "take-a-clients-sessions-for-one",
        "src/manager/announce.c",
        "    id->session_key = session_key;\n",
        "    id->session_key = 0 * session_key;\n",
    ),
    (
        "tell-a-new-peer-nothing",
        "src/manager/manager.c",
        "        cv_announce_everyone(m, member);\n",
        "",
    ),
    (
        "tell-peers-only-who-comes",
        "src/manager/manager.c",
        "    if (member->info.kind == CV_MEMBER_AGENT && !member->withdrawn)\n"
        "        cv_announce_to_all(m, false, member);\n"
        "    cv_announced_clear(",
        "    cv_announced_clear(",
    ),
]

DIRECTORY_MUTANTS = [
    (
        "trust-the-dead",
        "src/manager/directory_members.c",
        "    return is_there(member) && member->incarnation == claim->incarnation &&\n"
        "           now - member->seen_at",
        "    return member && member->incarnation == claim->incarnation &&\n"
        "           now - member->seen_at",
    ),
    (
        "trust-the-last-run",
        "src/manager/directory_members.c",
        "    return is_there(member) && member->incarnation == claim->incarnation &&\n"
        "           now - member->seen_at",
        "    return is_there(member) &&\n           now - member->seen_at",
    ),
    (
        "trust-the-cache-for-ever",
        "src/manager/directory_cache.c",
        "    if (!entry->known || age >= CV_DIRECTORY_LEASE)\n",
        "    if (!entry->known)\n",
    ),
    (
        "hear-no-change",
        "src/manager/directory_cache.c",
        "    entry->fresh = false;\n    if (entry->phase == PHASE_HEALING)\n",
        "    if (entry->phase == PHASE_HEALING)\n",
    ),
    (
        "publish-nothing-anew",
        "src/manager/directory.c",
        "    cv_own_republish(d, now);\n",
        "",
    ),
    (
        "notice-no-loss",
        "src/manager/directory_members.c",
        "    d->record_step = 0;\n    cv_own_republish(d, now);\n",
        "    d->record_step = 0;\n",
    ),
    (
        "keep-what-left",
        "src/manager/directory_own.c",
        "    d->gone++;\n    change(d, own);\n",
        "    d->gone++;\n",
    ),
    (
        "forget-what-was-refused",
        "src/manager/directory_own.c",
        "    enqueue(&d->failed, own);\n",
        "    cv_list_remove(&own->queue);\n",
    ),
    (
        "tell-nobody-of-a-change",
        "src/manager/directory_own.c",
        "    own->published = false;\n    own->tell = true;\n",
        "    own->published = false;\n",
    ),
    (
        "watch-nothing-after-an-outage",
        "src/manager/directory_watch.c",
        "    HASH_ITER (hh, d->entries, entry, next)\n        if (entry->known)\n"
        "            push(d, entry, true);\n",
        "    (void)entry, (void)next;\n",
    ),
    (
        "let-nobody-time-out",
        "src/manager/directory_cache.c",
        "        if (waiter->deadline > now)\n            return;\n",
        "        return;\n",
    ),
]
