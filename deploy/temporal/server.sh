#!/bin/sh
# Temporal's server with its password from a file. The image configures itself from the environment; this adds what its own
# entry point would.
set -eu
POSTGRES_PWD="$(cat "$POSTGRES_PASSWORD_FILE")"
# Where the server's own services reach each other; one address where the container is in several networks.
: "${TEMPORAL_BROADCAST_ADDRESS:=$(hostname -i | cut -d ' ' -f 1)}"
export POSTGRES_PWD TEMPORAL_BROADCAST_ADDRESS
exec temporal-server start
