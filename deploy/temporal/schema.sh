#!/bin/sh
# Makes Temporal's two databases and brings them to the schema of this server version. May be run again at any time: what is
# there already stays, which is also how an upgrade of the server gets its new schema.
set -eu
SQL_PASSWORD="$(cat "$POSTGRES_PASSWORD_FILE")"
export SQL_PASSWORD

prepare() {
  temporal-sql-tool --db "$1" create
  # The first of all versions, on an empty database alone: it would begin the count anew.
  if ! temporal-sql-tool --db "$1" update-schema --schema-dir "$SCHEMA_DIR/$2/versioned" 2>/dev/null; then
    temporal-sql-tool --db "$1" setup-schema --version 0.0
    temporal-sql-tool --db "$1" update-schema --schema-dir "$SCHEMA_DIR/$2/versioned"
  fi
}

prepare temporal temporal
prepare temporal_visibility visibility
echo 'The schemas are up to date'
