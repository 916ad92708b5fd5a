package pipeline

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// Snapshot is the pipeline as a run keeps it. Another version of regrow may have
// written it: what this one cannot read must not keep anybody from reading the
// run, or from ending it.
type Snapshot struct {
	Pipeline
	// Unreadable says what of the snapshot makes no sense to this version; nil
	// when all does. The members that could be read are filled in.
	Unreadable error `json:"-"`
}

// UnmarshalJSON implements json.Unmarshaler. It returns no error.
func (s *Snapshot) UnmarshalJSON(data []byte) error {
	*s = Snapshot{}
	s.Unreadable = json.Unmarshal(data, &s.Pipeline)
	if s.Unreadable == nil {
		s.Unreadable = s.checkWords()
	}
	return nil
}

// Readable tells whether all of the snapshot makes sense to this version.
func (s Snapshot) Readable() bool { return s.Unreadable == nil }

// checkWords refuses words that stages would have to guess the meaning of.
func (p Pipeline) checkWords() error {
	return cmp.Or(
		known("cleanup.mode", p.Cleanup.Mode, CleanupDelete, CleanupRunbook, CleanupPolicy),
		known("lane", p.Policy, Latest, FIFO),
		known("on_failure", p.OnFailure, Keep, Terminate),
		known("infrastructure.git", p.Infrastructure.Git, GitCommit, GitRef, GitDefault),
		known("application.git", p.Application.Git, GitCommit, GitRef, GitDefault),
	)
}

// known wants a word to be one of those, or not there: an older version may not
// have known the key.
func known[T ~string](key string, word T, words ...T) error {
	if word == "" || slices.Contains(words, word) {
		return nil
	}
	return fmt.Errorf("%s is %q, expected one of %q", key, word, words)
}
