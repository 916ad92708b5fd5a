package doctor

import (
	"slices"
	"strings"
)

// Severity says what a check found.
type Severity string

// The severities, from good to bad.
const (
	// OK: it is as it has to be.
	OK Severity = "ok"
	// NotApplicable: here there is nothing to check.
	NotApplicable Severity = "not_applicable"
	// Note: it is right, and yet worth knowing.
	Note Severity = "note"
	// Unknown: it could not be found out.
	Unknown Severity = "unknown"
	// Warning: runs may succeed, but something will go wrong one day.
	Warning Severity = "warning"
	// Error: runs fail, or cannot start.
	Error Severity = "error"
)

// severities is every severity, from good to bad.
var severities = []Severity{OK, NotApplicable, Note, Unknown, Warning, Error}

// Check is what one look found.
type Check struct {
	// ID names the check; it never changes its meaning. See Catalogue.
	ID string `json:"id"`
	// Scope is what was looked at: "regrow", or a kind and a name such as
	// "server main", "source github" and "pipeline hello-world".
	Scope    string   `json:"scope"`
	Severity Severity `json:"severity"`
	// Message is one sentence for people.
	Message string `json:"message"`
	// Remedy says what to do, with a command or a place to click where there is
	// one; "" when there is nothing to do.
	Remedy string `json:"remedy"`
	// Details are further sentences, such as each setting that differs.
	Details []string `json:"details"`
}

// Status is what a report says in one word.
type Status string

// The statuses.
const (
	// AllFine: nothing is wrong; there may be notes.
	AllFine Status = "ok"
	// Warnings: nothing is an error, but something is a warning, or could not be
	// found out.
	Warnings Status = "warning"
	// Errors: something is an error.
	Errors Status = "error"
	// Unreachable: the configuration is in order, but nothing that it names could
	// be reached, neither the database nor any Octopus Server. Whatever is wrong
	// is likely to be between this machine and them.
	Unreachable Status = "unreachable"
)

// Report is all that was found, in the order of looking.
type Report struct {
	Status Status  `json:"status"`
	Checks []Check `json:"checks"`
}

// newReport sums checks up.
func newReport(checks []Check) Report {
	return Report{Status: statusOf(checks), Checks: checks}
}

func statusOf(checks []Check) Status {
	worst := OK
	reached, tried := 0, 0
	for _, c := range checks {
		if worse(c.Severity, worst) {
			worst = c.Severity
		}
		if reaching := c.ID == idDatabase || c.ID == idOctopus; reaching && c.Severity != NotApplicable && c.Severity != Note {
			tried++
			if c.Severity == OK {
				reached++
			}
		}
	}
	switch {
	case tried > 0 && reached == 0 && configured(checks):
		return Unreachable
	case worst == Error:
		return Errors
	case worst == Warning, worst == Unknown:
		return Warnings
	default:
		return AllFine
	}
}

// configured tells whether the configuration could be used.
func configured(checks []Check) bool {
	return !slices.ContainsFunc(checks, func(c Check) bool { return c.ID == idConfig && c.Severity == Error })
}

func worse(a, b Severity) bool {
	return slices.Index(severities, a) > slices.Index(severities, b)
}

// Count returns how many checks found each severity.
func (r Report) Count() map[Severity]int {
	counts := make(map[Severity]int)
	for _, c := range r.Checks {
		counts[c.Severity]++
	}
	return counts
}

// finding is what a check's function makes of what it saw.
type finding struct {
	severity        Severity
	message, remedy string
	details         []string
}

// on makes the finding a check of the report, without secrets.
func (f finding) on(id, scope string, hide *strings.Replacer) Check {
	details := make([]string, len(f.details))
	for i, detail := range f.details {
		details[i] = hide.Replace(detail)
	}
	return Check{
		ID: id, Scope: scope, Severity: f.severity,
		Message: hide.Replace(f.message), Remedy: hide.Replace(f.remedy), Details: details,
	}
}
