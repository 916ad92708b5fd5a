//go:build unix

package trial

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"regrow/internal/simulator"
)

// MustHold fails the test when the history breaks a promise: it prints what was
// tried, such as the seed and the trial, the violations and the end of Octopus'
// journal, and names a file that holds all of it, with the logs of the processes.
// It returns the history.
func (w *World) MustHold(tb testing.TB, tried string) *History {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	h, err := w.History(ctx)
	if err != nil {
		tb.Fatalf("%s: %v", tried, err)
	}
	if violations := h.Check(); len(violations) > 0 {
		w.Complain(tb, h, tried, violations...)
	}
	return h
}

// shownEntries is how much of the journal is printed; the file has all.
const shownEntries = 150

// Complain fails the test with sentences and what is needed to understand them.
func (w *World) Complain(tb testing.TB, h *History, tried string, sentences ...string) {
	tb.Helper()
	file, err := w.keep(h, tried, sentences)
	if err != nil {
		file = err.Error()
	}
	journal := slices.DeleteFunc(slices.Clone(h.Journal), func(e simulator.Entry) bool { return e.Effect == simulator.WebhookDelivered })
	journal = journal[max(0, len(journal)-shownEntries):]
	tb.Errorf("%s\n\n%s\n\nthe journal of Octopus ends with:\n%s\nmore is in %s", tried, strings.Join(sentences, "\n"), h.list(journal), file)
}

// keep writes everything there is to know into a file that outlives the test.
func (w *World) keep(h *History, tried string, sentences []string) (string, error) {
	file, err := os.CreateTemp("", "regrow-trial-*.txt")
	if err != nil {
		return "", fmt.Errorf("keeping the history: %w", err)
	}
	fmt.Fprintf(file, "%s\n\n%s\n\nJournal\n%s\nHistory\n", tried, strings.Join(sentences, "\n"), h.list(h.Journal))
	c := newChecker(h)
	for _, event := range h.Events {
		fmt.Fprintf(file, "%s %s %s %s %s\n", stamp(event.At), c.name(event.RunID), event.Kind, event.Stage, event.Message)
	}
	for _, p := range w.Processes() {
		fmt.Fprintf(file, "\nProcess %d, failpoint %q, struck at %q\n", p.Number, p.Failpoint, p.Struck())
		if log, err := os.Open(p.log); err == nil {
			_, _ = io.Copy(file, log) // what can be read of it
			_ = log.Close()
		}
	}
	return file.Name(), file.Close()
}

// list shows a part of the journal, with the time as it was here.
func (h *History) list(entries []simulator.Entry) string {
	var text strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&text, "%s %s", stamp(h.clock.moment(e.Time)), show(e))
		for name, value := range map[string]string{"project": e.ProjectID, "in": e.EnvironmentID, "release": e.ReleaseID, "on": strings.Join(e.Machines, ",")} {
			if value != "" && value != e.ID {
				fmt.Fprintf(&text, " %s %s", name, value)
			}
		}
		if found := marker.FindString(e.Detail); found != "" {
			fmt.Fprintf(&text, " %s", found)
		} else if e.Detail != "" {
			fmt.Fprintf(&text, " (%s)", e.Detail)
		}
		text.WriteByte('\n')
	}
	return text.String()
}

func stamp(t time.Time) string { return t.UTC().Format("15:04:05.000") }
