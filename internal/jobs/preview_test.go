package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"regrow/internal/pipeline"
	"regrow/internal/simulator"
)

// preview previews runs of a commit in a transaction that may only read.
func (w *world) preview(lines ...pipeline.Pipeline) []pipeline.Preview {
	w.t.Helper()
	var starts []pipeline.Start
	for _, p := range lines {
		starts = append(starts, pipeline.Start{Pipeline: p, Commit: pipeline.Commit{
			Repository: p.Repository, Ref: "refs/heads/main", SHA: "eeeeeeeeee", Message: "Change it", Version: "4.5.6",
		}})
	}
	tx, err := w.pool.BeginTx(w.t.Context(), pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		w.t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(w.t.Context()))
	previews, err := w.engine.Preview(w.t.Context(), tx, starts)
	if err != nil {
		w.t.Fatal(err)
	}
	return previews
}

// survey previews a run and looks in Octopus, and makes sure that nothing is
// changed by it anywhere.
func (w *world) survey(p pipeline.Pipeline) (pipeline.Preview, pipeline.Survey) {
	w.t.Helper()
	rows, effects := w.rows(), len(w.sim.Journal())
	preview := w.preview(p)[0]
	survey := w.engine.Survey(w.t.Context(), preview)
	if after := w.rows(); !maps.Equal(rows, after) {
		w.t.Errorf("looking has changed the database from %v to %v", rows, after)
	}
	if after := w.sim.Journal(); len(after) != effects {
		w.t.Errorf("looking has changed Octopus: %+v", after[effects:])
	}
	return preview, survey
}

// rows fingerprints what is in regrow's tables and in the queue, and the
// sequences.
func (w *world) rows() map[string]string {
	w.t.Helper()
	found := map[string]string{}
	for _, table := range []string{"pipelines", "deliveries", "runs", "stages", "jobs", "attempts", "targets", "run_events", "river_job"} {
		var rows string
		if err := w.pool.QueryRow(w.t.Context(), "select coalesce(md5(string_agg(r::text, ' ' order by r::text)), '') from "+table+" r").Scan(&rows); err != nil {
			w.t.Fatal(err)
		}
		found[table] = rows
	}
	sequences, err := w.pool.Query(w.t.Context(), "select sequencename, coalesce(last_value, 0)::text from pg_sequences")
	if err != nil {
		w.t.Fatal(err)
	}
	var name, value string
	if _, err := pgx.ForEachRow(sequences, []any{&name, &value}, func() error { found[name] = value; return nil }); err != nil {
		w.t.Fatal(err)
	}
	return found
}

// edit changes a document in Octopus as an operator would.
func (w *world) edit(path string, change func(map[string]any)) {
	w.t.Helper()
	document := w.call(http.MethodGet, path, nil)
	change(document)
	w.call(http.MethodPut, path, document)
}

func (w *world) call(method, path string, document map[string]any) map[string]any {
	w.t.Helper()
	var body io.Reader
	if document != nil {
		text, err := json.Marshal(document)
		if err != nil {
			w.t.Fatal(err)
		}
		body = strings.NewReader(string(text))
	}
	request, err := http.NewRequestWithContext(w.t.Context(), method, w.url+"/api/Spaces-1/"+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("X-Octopus-ApiKey", simulator.DefaultAPIKey)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	var got map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || answer.StatusCode != http.StatusOK {
		w.t.Fatalf("%s %s: %s, %v", method, path, answer.Status, err)
	}
	return got
}

// messages are what a survey finds, one a line, with the kinds.
func messages(s pipeline.Survey) string {
	var lines []string
	for _, finding := range s.Findings {
		lines = append(lines, fmt.Sprintf("%s: %s (%s)", finding.Kind, finding.Message, finding.Remedy))
	}
	return strings.Join(lines, "\n")
}

// What is foreseen of a run is what becomes of it.
func TestForeseenRunComesTrue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p := w.pipeline(func(p *pipeline.Pipeline) { p.Application.Version = "1.{run}.0-{branch}" })
	preview, survey := w.survey(p)
	if len(survey.Findings) != 0 || !preview.Entry.Starts {
		t.Errorf("it starts: %t; %s", preview.Entry.Starts, messages(survey))
	}
	run := w.commit(p, "eeeeeeeeee")
	w.untilDone(run.ID, pipeline.Succeeded)
	if run.Number != preview.Number {
		t.Errorf("it is run #%d, foreseen was #%d", run.Number, preview.Number)
	}
	r := w.result(run.ID)
	if got := survey.Infrastructure.Version; got != r.provision.ReleaseVersion || survey.Infrastructure.Existing != pipeline.PresenceNone {
		t.Errorf("the infrastructure release is %s, foreseen was %s", r.provision.ReleaseVersion, got)
	}
	if got := survey.Application.Version; got != r.createRelease.ReleaseVersion || survey.Application.Existing != pipeline.PresenceNone {
		t.Errorf("the application release is %s, foreseen was %s", r.createRelease.ReleaseVersion, got)
	}
	var foreseen []string
	for _, target := range survey.Targets.List {
		foreseen = append(foreseen, target.ID)
		if target.Fate != pipeline.FateRemovedWhenGone || !slices.Equal(target.Roles, []string{"hello-world"}) || !target.Available {
			t.Errorf("foreseen was %+v", target)
		}
	}
	slices.Sort(foreseen)
	if baseline := idsOf(w.targets(run.ID), generationBaseline); !slices.Equal(foreseen, baseline) || !slices.Equal(foreseen, slices.Sorted(slices.Values(r.cleanup.Removed))) {
		t.Errorf("the baseline was %v, of which went %v, foreseen was %v", baseline, r.cleanup.Removed, foreseen)
	}
	if survey.Override.Existing != pipeline.PresenceNone {
		t.Errorf("the override is foreseen as %+v", survey.Override)
	}
}

func TestPreviewOfATakenLane(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	p, other := w.pipeline(), w.pipeline(func(p *pipeline.Pipeline) { p.Name, p.Policy = "other", pipeline.FIFO })
	first := w.commit(p, "aaaaaaaaaa")
	w.untilWaiting(first.ID, pipeline.VerifyStage, "")
	waiting := w.commit(other, "bbbbbbbbbb")
	second := w.commit(p, "bbbbbbbbbb")
	preview, survey := w.survey(p)
	entry := preview.Entry
	if entry.Starts || preview.Lane.Holder.ID != first.ID || preview.Lane.Holder.Stage != pipeline.VerifyStage || !preview.Lane.Holder.Since.Equal(*w.run(first.ID).StartedAt) {
		t.Errorf("it starts: %t; the lane is held by %+v", entry.Starts, preview.Lane.Holder)
	}
	if len(entry.Supersedes) != 1 || entry.Supersedes[0].ID != second.ID || len(entry.Ahead) != 1 || entry.Ahead[0].ID != waiting.ID {
		t.Errorf("it supersedes %+v and waits behind %+v", entry.Supersedes, entry.Ahead)
	}
	if survey.Override.Run == nil || survey.Override.Run.ID != first.ID || survey.Override.ReleaseVersion != "1.0.1" {
		t.Errorf("the override is %+v, want the one of run #1", survey.Override)
	}
	if got := messages(survey); !strings.HasPrefix(got, "notice: The run waits for its lane") {
		t.Errorf("found: %s", got)
	}
	if third := w.commit(p, "eeeeeeeeee"); third.Number != preview.Number || w.run(second.ID).Status != pipeline.Superseded {
		t.Errorf("run #%d came, and run #2 is %s", third.Number, w.run(second.ID).Status)
	}
	// Two pipelines of one delivery enter one lane one after the other.
	both := w.preview(w.pipeline(func(p *pipeline.Pipeline) { p.Tenant, p.Name = "acme", "one" }), w.pipeline(func(p *pipeline.Pipeline) { p.Tenant, p.Name = "acme", "two" }))
	if !both[0].Entry.Starts || both[1].Entry.Starts || both[1].Lane.Holder == nil || both[1].Lane.Holder.ID != both[0].ID {
		t.Errorf("of two runs for one lane: %+v", both)
	}
}

func TestPreviewWake(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	count := func() (n int) {
		err := pgx.BeginTxFunc(t.Context(), w.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
			n, err = w.engine.PreviewWake(t.Context(), tx, serverName)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := count(); got != 0 {
		t.Errorf("%d runs would be woken where there are none", got)
	}
	run := w.commit(w.pipeline(), "aaaaaaaaaa")
	w.commit(w.pipeline(), "bbbbbbbbbb") // queued: it sleeps on
	w.untilWaiting(run.ID, pipeline.VerifyStage, "")
	if got := count(); got != 1 {
		t.Errorf("%d runs would be woken, want the one that holds the lane", got)
	}
}
