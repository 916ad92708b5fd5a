// Package migrations holds the SQL migrations of regrow's own tables, embedded
// in the binary. River's tables are migrated by River's own migrator.
package migrations

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
)

// Files are the goose migrations, named NNNNN_subject.sql.
//
//go:embed *.sql
var Files embed.FS

// Hash stands for the text of all migrations: tests tell by it whether a
// migrated template database is still the right one.
func Hash() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := Files.ReadFile(name)
		sum.Write(text)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("reading the embedded migrations: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
