"""Builds each event anew with the official client, and compares what it would send. Arguments: the client's folder, the events."""

import json
import sys

sys.path.insert(0, sys.argv[1])

from openlineage.client import event_v2, facet_v2
from openlineage.client.serde import Serde


def facet(name, members):
    members = {key: value for key, value in members.items() if not key.startswith("_")}
    if name == "errorMessage":
        return facet_v2.error_message_run.ErrorMessageRunFacet(**members)
    return facet_v2.RunFacet().with_additional_properties(**members)


def without_empty(value):
    if isinstance(value, dict):
        return {key: without_empty(item) for key, item in value.items() if item not in (None, [], {})}
    return value


for line in open(sys.argv[2]):
    event = json.loads(line)
    event_v2.set_producer(event["producer"])
    rebuilt = event_v2.RunEvent(
        eventType=event_v2.RunState(event["eventType"]),
        eventTime=event["eventTime"],
        run=event_v2.Run(
            runId=event["run"]["runId"],
            facets={name: facet(name, members) for name, members in event["run"]["facets"].items()},
        ),
        job=event_v2.Job(namespace=event["job"]["namespace"], name=event["job"]["name"]),
        producer=event["producer"],
    )
    theirs, ours = without_empty(json.loads(Serde.to_json(rebuilt))), without_empty(event)
    assert theirs == ours, f"theirs: {theirs}\nours:   {ours}"
    print(event["eventType"])
