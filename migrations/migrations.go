// Package migrations holds the SQL migrations of regrow's own tables, embedded
// in the binary. River's tables are migrated by River's own migrator.
package migrations

import "embed"

// Files are the goose migrations, named NNNNN_subject.sql.
//
//go:embed *.sql
var Files embed.FS
