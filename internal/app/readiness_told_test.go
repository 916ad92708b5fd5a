package app

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// Probes ask every second; the log hears of a failure when it begins, once a
// minute while it lasts, and when it is over.
func TestLogHearsOfFailuresNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := readiness{log: zerolog.New(&log), told: map[string]time.Time{}}
		r.check("schema", nil, "it is old")
		for second := range 100 {
			cause := "away"
			if second >= 30 {
				cause = "too old"
			}
			if c := r.check("database", errors.New(cause), "it does not answer"); c.OK || c.Detail != "it does not answer" {
				t.Fatalf("the check is %+v", c)
			}
			time.Sleep(time.Second)
		}
		for range 3 {
			if c := r.check("database", nil, "it does not answer"); !c.OK || c.Detail != "" {
				t.Fatalf("the check is %+v", c)
			}
		}
		want := []string{`"error":"away"`, `"error":"too old"`, "ready again"}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		for i, line := range lines {
			if len(lines) != len(want) || !strings.Contains(line, want[i]) {
				t.Fatalf("the log holds %q", lines)
			}
		}
	})
}
