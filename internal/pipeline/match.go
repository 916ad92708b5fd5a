package pipeline

import (
	"fmt"
	"path"
	"strings"
)

// Mismatch says which rule of a pipeline a commit did not meet.
type Mismatch struct {
	Pipeline string `json:"pipeline"`
	// Rule is "source", "repository", "branch" or "version".
	Rule string `json:"rule"`
	// Reason is one sentence for people: what was wanted and what came.
	Reason string `json:"reason"`
}

// Match tells whether a commit from a source starts a run of the pipeline. A
// nil Mismatch means that it does.
func (p Pipeline) Match(source string, c Commit) *Mismatch {
	if p.Source != source {
		return p.mismatch("source", "takes source %q, the commit came from %q", p.Source, source)
	}
	if !matchAny([]string{strings.ToLower(p.Repository)}, strings.ToLower(c.Repository)) {
		return p.mismatch("repository", "takes repository %q, the commit is in %q", p.Repository, c.Repository)
	}
	branch := c.Branch()
	if branch == "" || !matchAny(p.Branches, branch) {
		return p.mismatch("branch", "takes branches %s, the commit is on %q", quoteAll(p.Branches), c.Ref)
	}
	return p.matchVersion(c)
}

// matchVersion refuses a commit of which the version templates can make no
// version, so that it is told to the sender and not found out halfway.
func (p Pipeline) matchVersion(c Commit) *Mismatch {
	// The run's number and time are not known yet; any will do.
	facts := Facts{Pipeline: p.Name, Run: 1, Commit: c}
	for _, t := range p.Templates() {
		if t.Uses("version") && c.Version == "" {
			return p.mismatch("version", "has the version template %q, the commit brought no version", t)
		}
		if t == "" {
			continue
		}
		if _, err := t.Render(facts); err != nil {
			return p.mismatch("version", "has the version template %q, of which this commit makes no version: %v", t, err)
		}
	}
	return nil
}

// Templates returns every version template of the pipeline.
func (p Pipeline) Templates() []Template {
	all := []Template{p.Infrastructure.Version, p.Application.Version}
	for _, pkg := range p.Infrastructure.Packages {
		all = append(all, pkg.Version)
	}
	for _, pkg := range p.Application.Packages {
		all = append(all, pkg.Version)
	}
	return all
}

func (p Pipeline) mismatch(rule, format string, args ...any) *Mismatch {
	reason := fmt.Sprintf("pipeline %q "+format, append([]any{p.Name}, args...)...)
	return &Mismatch{Pipeline: p.Name, Rule: rule, Reason: reason}
}

// matchAny tells whether a name matches one of the patterns. "*" and "?" stay
// within a path segment, as in path.Match; "**" as the last segment matches any
// number of segments.
func matchAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if matchPattern(pattern, name) {
			return true
		}
	}
	return false
}

func matchPattern(pattern, name string) bool {
	if pattern == "**" {
		return name != ""
	}
	if prefix, ok := strings.CutSuffix(pattern, "/**"); ok {
		depth := strings.Count(prefix, "/") + 1
		segments := strings.Split(name, "/")
		if len(segments) <= depth {
			return false
		}
		return matchPattern(prefix, strings.Join(segments[:depth], "/"))
	}
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// CheckPattern returns an error when a repository or branch pattern could
// never match because it is ill-formed.
func CheckPattern(pattern string) error {
	if strings.TrimSpace(pattern) == "" {
		return fmt.Errorf("the pattern is empty; write a name such as %q, or %q for any", "main", "**")
	}
	if _, err := path.Match(strings.TrimSuffix(pattern, "/**"), ""); err != nil {
		return fmt.Errorf("the pattern %q is ill-formed: an opening %q needs a closing %q", pattern, "[", "]")
	}
	return nil
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(quoted, ", ")
}
