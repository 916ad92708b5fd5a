package doctor

import (
	"context"
	"errors"
	"fmt"

	"regrow/internal/octopus"
)

func fine(format string, args ...any) finding {
	return finding{severity: OK, message: fmt.Sprintf(format, args...)}
}

func none(format string, args ...any) finding {
	return finding{severity: NotApplicable, message: fmt.Sprintf(format, args...)}
}

func noted(format string, args ...any) finding {
	return finding{severity: Note, message: fmt.Sprintf(format, args...)}
}

func warned(format string, args ...any) finding {
	return finding{severity: Warning, message: fmt.Sprintf(format, args...)}
}

func wrong(format string, args ...any) finding {
	return finding{severity: Error, message: fmt.Sprintf(format, args...)}
}

func unknown(format string, args ...any) finding {
	return finding{severity: Unknown, message: fmt.Sprintf(format, args...)}
}

// with adds what to do.
func (f finding) with(format string, args ...any) finding {
	f.remedy = fmt.Sprintf(format, args...)
	return f
}

// listing adds further sentences.
func (f finding) listing(details []string) finding {
	f.details = details
	return f
}

// gap is the error of a check whose question makes no sense, or has no answer,
// before another check is fine.
type gap struct {
	check string // the other check
	cause error
}

func (g *gap) Error() string { return fmt.Sprintf("the check %q did not succeed", g.check) }
func (g *gap) Unwrap() error { return g.cause }

// unanswered is the finding of a check that ended with an error: nothing is known
// to be wrong, and nothing to be right.
func unanswered(err error) finding {
	if before, ok := errors.AsType[*gap](err); ok {
		return unknown("Not looked into, because %s.", before)
	}
	if permission := octopus.Missing(err); permission != "" {
		return unknown("Octopus does not let the API key's user look: the permission %s is missing.", permission).
			with("give the user of the API key the permission %s, for the pipeline's environment and projects", permission)
	}
	if failure, ok := errors.AsType[*octopus.Error](err); ok {
		return unknown("%s.", capitalized(failure.Message)).with("%s", failure.Remedy)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return unknown("The answer did not come in time.").with("run regrow doctor again")
	}
	return unknown("%s.", capitalized(err.Error()))
}
