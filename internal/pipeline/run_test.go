package pipeline_test

import (
	"testing"

	"regrow/internal/pipeline"
)

func TestStagesFollowEachOther(t *testing.T) {
	t.Parallel()
	want := []pipeline.Stage{"provision", "create_release", "override", "verify", "cleanup"}
	stage := want[0]
	for i, expected := range want {
		if stage != expected {
			t.Fatalf("stage %d is %s, want %s", i, stage, expected)
		}
		if got := len(stage.From()); got != len(want)-i {
			t.Errorf("from %s on there are %d stages, want %d", stage, got, len(want)-i)
		}
		next, more := stage.Next()
		if more != (i < len(want)-1) {
			t.Fatalf("after %s: more is %t", stage, more)
		}
		if more && (!stage.Before(next) || next.Before(stage)) {
			t.Errorf("%s is not before %s", stage, next)
		}
		stage = next
	}
}

func TestStatusTransitions(t *testing.T) {
	t.Parallel()
	for _, from := range pipeline.Statuses() {
		if from.Active() && from.Terminal() {
			t.Errorf("%s is active and terminal", from)
		}
		for _, to := range pipeline.Statuses() {
			if from.Terminal() && from.CanBecome(to) && (from != pipeline.Failed && from != pipeline.Cancelled || to != pipeline.Running) {
				t.Errorf("%s can become %s: only a failed or cancelled run may go on", from, to)
			}
		}
		if !from.Terminal() && from != pipeline.Queued && !from.CanBecome(pipeline.Failed) {
			t.Errorf("%s cannot fail", from)
		}
	}
}

func TestLaneComparesAsOctopusDoes(t *testing.T) {
	t.Parallel()
	a := pipeline.Pipeline{
		Server: pipeline.Server{URL: "https://octopus.example/", Space: "Default"}, Environment: "Production",
		Infrastructure: pipeline.Infrastructure{Project: "Shop Infrastructure"},
	}
	b := a
	b.Name, b.Server.URL, b.Environment = "other", "https://OCTOPUS.example", "production"
	if a.Lane() != b.Lane() {
		t.Errorf("%q and %q are one lane", a.Lane(), b.Lane())
	}
	b.Tenant = "acme"
	if a.Lane() == b.Lane() {
		t.Error("a tenant has its own lane")
	}
}
