#!/usr/bin/env python3
"""Shortens a transcript: each run of Data of one direction becomes one event `data_run`.

Usage: reduce.py FULL.json > REDUCED.json
"""
import json
import sys


def size(event):
    return event["body_len"] if "body_len" in event else len(event["body_hex"]) // 2


def reduced(events):
    out = []
    for event in events:
        if event.get("type_name") != "Data":
            out.append(event)
            continue
        run = out[-1] if out else {}
        same = run.get("event") == "data_run" and (run["dir"], run["conn_id"]) == (
            event["dir"],
            event["conn_id"],
        )
        if not same:
            run = {
                "seq": event["seq"],
                "t_ms": event["t_ms"],
                "link": event["link"],
                "conn": event["conn"],
                "dir": event["dir"],
                "event": "data_run",
                "conn_id": event["conn_id"],
                "frames": 0,
                "bytes": 0,
            }
            out.append(run)
        run["frames"] += 1
        run["bytes"] += size(event)
    return out


def main():
    with open(sys.argv[1]) as source:
        transcript = json.load(source)
    transcript["events"] = reduced(transcript["events"])
    json.dump(transcript, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
