#!/bin/sh
# Makes the secrets that nobody has to choose, each in a file of its own under deploy/secrets, and says which are left to
# give. What is there already is never touched.
set -eu
cd "$(dirname "$0")/secrets"
# Whoever may not enter the folder reads none of them. The files themselves are readable, because each container reads its
# own as a user of its own.
chmod 700 .

random() {
  openssl rand -hex 32
}

make() {
  [ -s "$1" ] && return
  shift_name="$1"
  shift
  "$@" >"$shift_name"
  chmod 444 "$shift_name"
  echo "made $shift_name"
}

make api-key random
make metrics-key random
make postgres-password random
make grafana-password random

missing=0
for name in platform-client-secret platform-webhook-secret ingress.pem; do
  [ -s "$name" ] && chmod 444 "$name" && continue
  echo "missing: $PWD/$name"
  missing=1
done
exit "$missing"
