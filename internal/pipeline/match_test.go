package pipeline_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"regrow/internal/pipeline"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	p := pipeline.Pipeline{
		Name: "shop", Source: "github", Repository: "acme/shop", Branches: []string{"main", "release/*", "team/**"},
		Infrastructure: pipeline.Infrastructure{Version: "0.0.{run}"},
		Application:    pipeline.Application{Version: "1.0.{run}"},
	}
	tests := []struct {
		name, source, repository, ref string
		rule                          string
	}{
		{"exact branch", "github", "acme/shop", "refs/heads/main", ""},
		{"repository in another case", "github", "Acme/Shop", "refs/heads/main", ""},
		{"branch by pattern", "github", "acme/shop", "refs/heads/release/1.2", ""},
		{"pattern stays in its segment", "github", "acme/shop", "refs/heads/release/1.2/fix", "branch"},
		{"deep pattern", "github", "acme/shop", "refs/heads/team/a/b/c", ""},
		{"deep pattern needs a segment", "github", "acme/shop", "refs/heads/team", "branch"},
		{"other source", "gitlab", "acme/shop", "refs/heads/main", "source"},
		{"other repository", "github", "acme/shop2", "refs/heads/main", "repository"},
		{"other branch", "github", "acme/shop", "refs/heads/dev", "branch"},
		{"branch names keep their case", "github", "acme/shop", "refs/heads/Main", "branch"},
		{"tag of that name", "github", "acme/shop", "refs/tags/main", "branch"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			mismatch := p.Match(test.source, pipeline.Commit{Repository: test.repository, Ref: test.ref, SHA: "abc"})
			switch {
			case mismatch == nil && test.rule != "":
				t.Errorf("matches, want rule %q to refuse it", test.rule)
			case mismatch != nil && mismatch.Rule != test.rule:
				t.Errorf("refused by %+v, want %q", mismatch, test.rule)
			case mismatch != nil && !strings.Contains(mismatch.Reason, `"shop"`):
				t.Errorf("the reason does not name the pipeline: %s", mismatch.Reason)
			}
		})
	}
}

func TestMatchNeedsTheVersionItsTemplatesUse(t *testing.T) {
	t.Parallel()
	p := pipeline.Pipeline{
		Name: "shop", Source: "build", Repository: "acme/*", Branches: []string{"**"},
		Application: pipeline.Application{Version: "{version}"},
	}
	commit := pipeline.Commit{Repository: "acme/shop", Ref: "refs/heads/a/b", SHA: "abc"}
	if mismatch := p.Match("build", commit); mismatch == nil || mismatch.Rule != "version" {
		t.Errorf("a commit without a version: %+v, want rule version", mismatch)
	}
	commit.Version = "a b/../"
	if mismatch := p.Match("build", commit); mismatch == nil || mismatch.Rule != "version" {
		t.Errorf("a commit with a version that is none: %+v, want rule version", mismatch)
	}
	commit.Version = "1.2.3"
	if mismatch := p.Match("build", commit); mismatch != nil {
		t.Errorf("a commit with a version is refused: %+v", mismatch)
	}
}

func TestRenderedVersionsAreVersions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		facts := pipeline.Facts{
			Pipeline: rapid.StringMatching(`[a-z0-9-]{1,20}`).Draw(t, "pipeline"), Run: rapid.Int64Range(1, 1e9).Draw(t, "run"),
			Started: noon,
			Commit:  pipeline.Commit{SHA: "0123456789abcdef", Ref: "refs/heads/" + rapid.String().Draw(t, "branch")},
		}
		version, err := pipeline.Template("1.{run}-{branch}.{date}").Render(facts)
		if err != nil {
			if len(facts.Commit.Ref) < 300 {
				t.Fatalf("no version for branch %q: %v", facts.Commit.Ref, err)
			}
			return
		}
		if strings.ContainsAny(version, "{}/ ") || len(version) > 349 {
			t.Fatalf("%q is no version", version)
		}
	})
}

func TestTemplateCheck(t *testing.T) {
	t.Parallel()
	for template, wanted := range map[pipeline.Template]string{
		"":                 "empty",
		"1.0.{runs}":       "{runs}",
		"1.0 {run}":        "is no version",
		"-{run}":           "is no version",
		"{version}":        "",
		"1.0.{run}":        "",
		"{date}.{run}-abc": "",
	} {
		err := template.Check()
		switch {
		case wanted == "" && err != nil:
			t.Errorf("%q: %v", template, err)
		case wanted != "" && (err == nil || !strings.Contains(err.Error(), wanted)):
			t.Errorf("%q: error %v, want one that says %q", template, err, wanted)
		}
	}
}
