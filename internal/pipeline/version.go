package pipeline

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Template is a version with placeholders, for instance "1.4.{run}".
//
// Placeholders: {run} the run's number in its pipeline, {version} the version
// that the webhook brought, {commit} and {short_commit}, {branch} (characters
// that a version cannot hold become "-"), {pipeline}, {date} (yyyymmdd, UTC).
type Template string

// Facts are what a run knows when it names its releases.
type Facts struct {
	Pipeline string
	Run      int64
	Commit   Commit
	// Started is when the run was created; a retry renders the same version.
	Started time.Time
}

// Placeholders are the names that a Template may hold in braces.
var placeholders = map[string]func(Facts) string{
	"run":          func(f Facts) string { return strconv.FormatInt(f.Run, 10) },
	"version":      func(f Facts) string { return f.Commit.Version },
	"commit":       func(f Facts) string { return f.Commit.SHA },
	"short_commit": func(f Facts) string { return f.Commit.ShortSHA() },
	"branch":       func(f Facts) string { return versionText(f.Commit.Branch()) },
	"pipeline":     func(f Facts) string { return versionText(f.Pipeline) },
	"date":         func(f Facts) string { return f.Started.UTC().Format("20060102") },
}

var (
	placeholderPattern = regexp.MustCompile(`\{([^{}]*)\}`)
	versionPattern     = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+_-]*$`)
	notVersionText     = regexp.MustCompile(`[^0-9A-Za-z.-]+`)
)

// maxVersion is the longest version that Octopus takes for a release.
const maxVersion = 349

// Uses tells whether the template holds the placeholder.
func (t Template) Uses(name string) bool { return strings.Contains(string(t), "{"+name+"}") }

// Check returns an error that lists what may stand in braces when the template
// holds anything else, and when no facts could make a valid version of it.
func (t Template) Check() error {
	if strings.TrimSpace(string(t)) == "" {
		return errors.New("the version template is empty; write one such as \"1.0.{run}\"")
	}
	for _, match := range placeholderPattern.FindAllStringSubmatch(string(t), -1) {
		if _, ok := placeholders[match[1]]; !ok {
			return fmt.Errorf("the version template %q holds {%s}; known are %s", t, match[1], knownPlaceholders())
		}
	}
	sample := Facts{Pipeline: "p", Run: 1, Commit: Commit{SHA: "0123456789", Ref: "refs/heads/b", Version: "1"}}
	if _, err := t.Render(sample); err != nil {
		return fmt.Errorf("the version template %q cannot make a version: %w", t, err)
	}
	return nil
}

// Render fills in the placeholders and checks that Octopus can take the result
// as a version.
func (t Template) Render(f Facts) (string, error) {
	version := placeholderPattern.ReplaceAllStringFunc(string(t), func(hole string) string {
		if value, ok := placeholders[strings.Trim(hole, "{}")]; ok {
			return value(f)
		}
		return hole
	})
	switch {
	case len(version) > maxVersion:
		return "", fmt.Errorf("version %q… is %d characters long, Octopus takes %d", version[:20], len(version), maxVersion)
	case !versionPattern.MatchString(version):
		return "", fmt.Errorf("%q is no version: expected letters, digits, '.', '-', '+' and '_', starting with a letter or digit", version)
	}
	return version, nil
}

// RenderRollback is Render for the run of a rollback. Its commit may have had a
// release of this version before, so that the run's number is added to one that
// does not hold it.
func (t Template) RenderRollback(f Facts) (string, error) {
	version, err := t.Render(f)
	if err != nil || t.Uses("run") {
		return version, err
	}
	rest, metadata, found := strings.Cut(version, "+")
	separator := "-"
	if strings.Contains(rest, "-") {
		separator = "."
	}
	version = fmt.Sprintf("%s%srollback.%d", rest, separator, f.Run)
	if found {
		version += "+" + metadata
	}
	return version, nil
}

// versionText makes free text fit into a version.
func versionText(s string) string {
	return strings.Trim(notVersionText.ReplaceAllString(s, "-"), "-.")
}

func knownPlaceholders() string {
	names := make([]string, 0, len(placeholders))
	for name := range placeholders {
		names = append(names, "{"+name+"}")
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
