package simulator

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxUnpacked bounds what a package may grow to.
const maxUnpacked = 256 << 20

// unpack writes a package into an empty folder. What would land outside of it is refused, by name
// and by the root that the files are written through; links are refused altogether.
func unpack(content []byte, folder string) error {
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return fmt.Errorf("expected a zip file: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return fmt.Errorf("opening the folder for the package: %w", err)
	}
	defer func() { _ = root.Close() }()
	left := int64(maxUnpacked)
	for _, entry := range archive.File {
		name := filepath.FromSlash(strings.ReplaceAll(entry.Name, `\`, "/")) // older Windows tools write backslashes
		if !filepath.IsLocal(name) {
			return fmt.Errorf("the package holds %q, which leads out of its folder", entry.Name)
		}
		if strings.HasSuffix(entry.Name, "/") || strings.HasSuffix(entry.Name, `\`) {
			if err := root.MkdirAll(name, 0o700); err != nil {
				return fmt.Errorf("making the folder %q of the package: %w", entry.Name, err)
			}
			continue
		}
		if !entry.Mode().IsRegular() {
			return fmt.Errorf("the package holds %q, which is neither a file nor a folder", entry.Name)
		}
		written, err := unpackFile(root, name, entry, left)
		if err != nil {
			return fmt.Errorf("unpacking %q: %w", entry.Name, err)
		}
		left -= written
	}
	return nil
}

func unpackFile(root *os.Root, name string, entry *zip.File, limit int64) (int64, error) {
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return 0, err
	}
	from, err := entry.Open()
	if err != nil {
		return 0, err
	}
	defer func() { _ = from.Close() }()
	to, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600|entry.Mode().Perm()&0o100)
	if err != nil {
		return 0, err
	}
	written, err := io.Copy(to, io.LimitReader(from, limit+1))
	if closed := to.Close(); err == nil {
		err = closed
	}
	if err == nil && written > limit {
		err = fmt.Errorf("the package is larger than %d MiB", maxUnpacked>>20)
	}
	return written, err
}
