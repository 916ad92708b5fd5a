package config_test

import (
	"strings"
	"testing"

	"regrow/internal/config"
)

// TestDeepNesting gives the reader files that would take the parser's memory.
func TestDeepNesting(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"lists in braces":   strings.Repeat("[", 1<<17),
		"objects in braces": strings.Repeat("{a: ", 1<<15),
		"lists":             strings.Repeat("- ", 1<<16),
		"keys":              strings.Repeat("? ", 1<<16),
		"tags":              strings.Repeat("!!str ", 1<<15),
		"anchors":           strings.Repeat("&a ", 1<<15),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Parse("regrow.yaml", []byte(text), config.Options{})
			if err == nil || !strings.Contains(err.Error(), "nested too deeply") {
				t.Errorf("expected the nesting to be refused, got %.200v", err)
			}
		})
	}
	_, err := config.Parse("regrow.yaml", make([]byte, 1<<20), config.Options{})
	if err == nil || !strings.Contains(err.Error(), "1048576 bytes; expected at most") {
		t.Errorf("expected the size to be refused, got %v", err)
	}
}
