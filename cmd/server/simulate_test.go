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

func TestScriptsRunOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for listen, allowed := range map[string]bool{
		"127.0.0.1:8065": true, "127.8.9.1:0": true, "localhost:8065": true, "[::1]:8065": true,
		":8065": false, "0.0.0.0:8065": false, "10.0.0.7:8065": false, "localhost.example:8065": false, "[::]:8065": false,
	} {
		if err := checkScripts(true, listen); (err == nil) != allowed {
			t.Errorf("%s: expected it to be allowed: %v, got %v", listen, allowed, err)
		}
		if err := checkScripts(false, listen); err != nil {
			t.Errorf("%s: expected any address without scripts, got %v", listen, err)
		}
	}
}
