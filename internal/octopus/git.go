package octopus

import (
	"errors"
	"net/http"
	"slices"
	"strings"
)

// ErrGitState is the cause of the error of EnsureRelease and CheckRelease when
// Octopus does not find the Git reference or commit at which the process of a
// version-controlled project is to be read.
var ErrGitState = errors.New("the Git reference or commit is not found")

// gitRefusal gives an error the cause ErrGitState when Octopus refused a request
// because of the spec's Git reference or commit. Octopus gives errors no codes:
// where a request says more than that, one of the words has to be among its.
func gitRefusal(err error, spec ReleaseSpec, words ...string) error {
	refused, ok := errors.AsType[*Error](err)
	if !ok || spec.git() == "" || refused.Kind != Permanent {
		return err
	}
	switch refused.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity:
	default:
		return err
	}
	said := strings.ToLower(refused.said)
	named := func(word string) bool { return strings.Contains(said, word) }
	if len(words) > 0 && !slices.ContainsFunc(words, named) {
		return err
	}
	about := *refused
	about.cause = ErrGitState
	about.Remedy = "push it to the repository of the project, or choose another Git reference"
	return &about
}
