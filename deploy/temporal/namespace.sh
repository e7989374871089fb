#!/bin/sh
# Makes the namespace and registers the search attributes of sessions. May be run again at any time.
set -eu
attempt=1
until temporal operator cluster health >/dev/null 2>&1; do
  if [ "$attempt" -ge 60 ]; then
    echo "Temporal at $TEMPORAL_ADDRESS is not healthy after $attempt looks" >&2
    exit 1
  fi
  attempt=$((attempt + 1))
  sleep 1
done

if ! temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
fi

# A new namespace is not known to every part of the server at once.
attempt=1
until known="$(temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE" 2>&1)"; do
  if [ "$attempt" -ge 60 ]; then
    echo "$known" >&2
    exit 1
  fi
  attempt=$((attempt + 1))
  sleep 1
done
for name in $SEARCH_ATTRIBUTES; do
  case "$known" in
    *" $name "*) ;;
    *) temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" --name "$name" --type Keyword ;;
  esac
done
echo "The namespace $TEMPORAL_NAMESPACE is ready"
