"""What schemathesis cannot draw by itself: an object, and a job for images that are there."""

import json
import os

import schemathesis

KNOWN = json.loads(os.environ["DARKROOM_KNOWN"])
STORE = "PUT /v1/vaults/{vault}/{collection}/{object}"
SUBMIT = "POST /v1/jobs"


@schemathesis.hook
def before_add_examples(context, examples):
    operation = context.operation
    if operation.label == STORE:
        for digit in "56":
            place = {"vault": KNOWN["vault"], "collection": "images", "object": digit * 32}
            examples.append(
                operation.Case(
                    path_parameters=place,
                    body=bytes.fromhex(KNOWN["image"]),
                    media_type="application/octet-stream",
                )
            )
    if operation.label == SUBMIT:
        for key in (KNOWN["job"]["idempotency_key"], "0" * 32):
            job = KNOWN["job"] | {"idempotency_key": key}
            examples.append(operation.Case(body=job, media_type="application/json"))
