package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestWrongWorldsAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"demo", "--speed", "0"},
		{"demo", "--speed", "-3"},
		{"simulate", "--speed", "NaN"},
		{"simulate", "--speed", "+Inf"},
		{"simulate", "--targets", "-3"},
		{"simulate", "--webhook-url", "nonsense"},
		{"simulate", "--run-scripts", "--listen", ":8065"},
		{"simulate", "--run-scripts", "--listen", "0.0.0.0:8065"},
		{"simulate", "--run-scripts", "--listen", "octopus.example:8065"},
		{"simulate", "--run-scripts", "--listen", "[::]:8065"},
	} {
		var out, stderr bytes.Buffer
		code := execute(t.Context(), "test", args, strings.NewReader(""), &out, &stderr)
		if code != exitUsage || !strings.Contains(stderr.String(), args[1]) {
			t.Errorf("%q: exit %d, %s", args, code, &stderr)
		}
	}
}
